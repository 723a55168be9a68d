import { ConfigError, EXIT_CONFIG, readConfig } from './config.ts';
import { reported, startErrorTracking } from './sentry.ts';

try {
  const config = readConfig();
  await startErrorTracking(config);
  // Only now, so that error tracking can watch the libraries as they are loaded.
  const { start } = await import('./server.ts');
  await start(config);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await reported();
  process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
}

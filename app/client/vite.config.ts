import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  build: {
    // No data: addresses and no inline script: the proxy's content security policy
    // allows neither.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    port: 5173,
    proxy: { '/api': { target: 'http://localhost:3001', ws: true } },
  },
  test: {
    environment: 'jsdom',
    setupFiles: 'src/test/setup.ts',
    restoreMocks: true,
  },
});

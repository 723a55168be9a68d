import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { App } from './app.ts';
import { eventually } from './servers.ts';

const CLIENTS = 8;

interface Outcome {
  /** The status, or the error's code. */
  result: number | string;
  /** The app asked for the connection to be closed. */
  closing: boolean;
}

/** One request on kept connections. */
function get(app: App, agent: Agent, route: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const sent = request(app.url + route, { agent }, (response) => {
      const closing = response.headers.connection === 'close';
      response.resume().on('end', () => { resolve({ result: response.statusCode ?? 0, closing }); });
      response.on('error', () => { resolve({ result: 'incomplete', closing }); });
    });
    sent.on('error', (error: NodeJS.ErrnoException) => { resolve({ result: error.code ?? error.message, closing: false }); });
    sent.end();
  });
}

/** Clients that ask again and again, until they may not or the app is gone. @returns how often each result came. */
async function hammer(app: App, mayGoOn: (outcome: Outcome) => boolean): Promise<Record<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const results: Record<string, number> = {};
  const client = async () => {
    let outcome: Outcome;
    do {
      outcome = await get(app, agent, '/api/quizzes');
      results[outcome.result] = (results[outcome.result] ?? 0) + 1;
    } while (mayGoOn(outcome));
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
  return results;
}

/** An upload that is half-way: call it to send the rest, for the answer. */
async function halfUpload(app: App, headers: Record<string, string>) {
  const answer = deferred<Response>();
  let finish = () => undefined as unknown;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const write = (text: string) => { controller.enqueue(new TextEncoder().encode(text)); };
      write('--b\r\nContent-Disposition: form-data; name="file"; filename="slow.txt"\r\n\r\nfirst ');
      finish = () => {
        write('second\r\n--b--\r\n');
        controller.close();
      };
    },
  });
  const init = {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'multipart/form-data; boundary=b' },
    body,
    duplex: 'half',
  };
  app.fetch('/api/documents/upload', init as RequestInit).then(answer.resolve, answer.reject);
  // Whoever does not ask for the answer does not care for its failure either.
  answer.promise.catch(() => undefined);
  await sleep(300);
  return () => {
    finish();
    return answer.promise;
  };
}

function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((...functions) => { [resolve, reject] = functions; });
  return { promise, resolve, reject };
}

describe('stopping', { concurrency: 2 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} lets what is running end, and says no to readiness at once`, async () => {
      const app = await App.launch();
      const headers = await app.signIn('ada@example.org');
      const finish = await halfUpload(app, headers);
      app.signal(signal);
      await eventually('it stops', () => app.logs.some(({ msg }) => msg.startsWith('Stopping')));

      const health = await app.fetch('/api/health');
      assert.equal(health.status, 503);
      assert.equal(health.headers.get('connection'), 'close');
      assert.deepEqual(await health.json(), { status: 'stopping' });
      assert.equal((await app.fetch('/api/health/live')).status, 200);

      await eventually('the doors are closed', () => app.fetch('/api/health').then(() => false, () => true));
      const response = await finish();
      assert.equal(response.status, 201);
      assert.equal(response.headers.get('connection'), 'close');
      assert.equal(((await response.json()) as { size: number }).size, 'first second'.length);
      assert.equal(await app.ended(), 0);
      assert.equal(app.logs.at(-1)?.msg, 'Stopped');
    });
  }

  const untiring = { RATE_LIMIT_MAX_REQUESTS: '1000000' };

  test('clients that go elsewhere when they are told lose no request', async () => {
    const app = await App.launch(untiring);
    const results = hammer(app, ({ closing }) => !closing);
    await sleep(500);
    app.signal('SIGTERM');
    const { 200: answered = 0, ...lost } = await results;
    assert.deepEqual(lost, {});
    assert(answered > CLIENTS, String(answered));
    assert.equal(await app.ended(), 0);
  });

  test('every request that came in is answered, however long clients insist', async () => {
    const app = await App.launch(untiring);
    const results = hammer(app, ({ result }) => result === 200);
    await sleep(500);
    app.signal('SIGTERM');
    const { 200: answered, ECONNREFUSED: refused = 0, ECONNRESET: reset = 0, ...lost } = await results;
    assert.equal(await app.ended(), 0);
    assert.deepEqual(lost, {});
    // Who is reset was in the kernel's queue when the doors closed, and not in the app: its log has all who were.
    assert.equal(refused + reset, CLIENTS);
    const completed = app.logs.filter(({ msg }) => msg === 'Request completed');
    assert.equal(completed.length, answered);
    assert.deepEqual(completed.filter(({ aborted }) => aborted), []);
  });

  test('idle kept connections do not hold it up', async () => {
    const app = await App.launch();
    const agent = new Agent({ keepAlive: true });
    assert.equal((await get(app, agent, '/api/quizzes')).result, 200);
    const start = Date.now();
    app.signal('SIGTERM');
    assert.equal(await app.ended(), 0);
    agent.destroy();
    assert(Date.now() - start < 10_000);
  });

  test('a second signal ends it at once', async () => {
    const app = await App.launch();
    const finish = await halfUpload(app, await app.signIn('ada@example.org'));
    app.signal('SIGTERM');
    await eventually('it stops', () => app.logs.some(({ msg }) => msg.startsWith('Stopping')));
    app.signal('SIGTERM');
    assert.equal(await app.ended(), 1);
    await assert.rejects(finish());
  });
});

test('a port that is taken is told, and ends the app', async () => {
  const first = await App.launch();
  const second = await App.spawn({ DATABASE_URL: first.databaseUrl, PORT: String(first.port) });
  assert.equal(await second.ended(), 1);
  assert.match(second.output, new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${first.port}: .*EADDRINUSE`));
});

describe('WebSocket', () => {
  interface Closed {
    code: number;
    reason: string;
  }

  const open = (app: App, protocols: string[], route = '/api/ws') => {
    const socket = new WebSocket(app.url.replace('http', 'ws') + route, protocols);
    const opened = deferred<WebSocket>();
    const closed = deferred<Closed>();
    socket.on('open', () => { opened.resolve(socket); });
    socket.on('close', (code, reason) => { closed.resolve({ code, reason: String(reason) }); });
    socket.on('unexpected-response', (_request, response) => {
      opened.reject(new Error(`status ${response.statusCode ?? 0}`));
      response.resume();
    });
    socket.on('error', (error) => { opened.reject(error); });
    return { opened: opened.promise, closed: closed.promise };
  };

  const tokenOf = ({ Authorization }: { Authorization: string }) => Authorization.replace('Bearer ', '');

  test('echoes text and bytes to who is signed in, and says 1001 when the app stops', async () => {
    const app = await App.launch();
    const token = tokenOf(await app.signIn('ada@example.org'));
    const { opened, closed } = open(app, ['bearer', token]);
    const socket = await opened;
    assert.equal(socket.protocol, 'bearer');
    const messages: [string, boolean][] = [];
    socket.on('message', (data, isBinary) => messages.push([(data as Buffer).toString(), isBinary]));
    socket.send('Grüße');
    socket.send(Buffer.from('bytes'));
    await eventually('both are back', () => messages.length === 2);
    assert.deepEqual(messages, [['Grüße', false], ['bytes', true]]);
    app.signal('SIGTERM');
    assert.deepEqual(await closed, { code: 1001, reason: 'The server is restarting' });
    await assert.rejects(open(app, ['bearer', token]).opened, /status 503/);
    assert.equal(await app.ended(), 0);
  });

  test('refuses who is not signed in, other paths, and large messages', async () => {
    const app = await App.launch();
    const token = tokenOf(await app.signIn('ada@example.org'));
    for (const protocols of [[], ['bearer'], ['bearer', 'wrong'], [token], ['basic', token]]) {
      await assert.rejects(open(app, protocols).opened, /status 401/);
    }
    await assert.rejects(open(app, ['bearer', token], '/api/other').opened, /status 404/);
    const { opened, closed } = open(app, ['bearer', token]);
    (await opened).send('x'.repeat(70_000));
    assert.equal((await closed).code, 1009);
    assert.equal((await app.fetch('/api/health')).status, 200);
    const reasons = app.logs.filter(({ msg }) => msg === 'WebSocket refused').map(({ level, status }) => [level, status]);
    assert.deepEqual(reasons, [...Array.from({ length: 5 }, () => ['info', 401]), ['info', 404]]);
    assert(!app.output.includes(token));
  });

  test('refused connections are closed, though the client keeps its side open', async () => {
    const app = await App.launch();
    const socket = connect({ port: app.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write('GET /api/other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.resume().on('error', () => undefined);
    await once(socket, 'end');
    // Only who has closed both sides answers more with a reset.
    const reset = new Promise((resolve) => socket.once('close', resolve));
    const more = setInterval(() => socket.write('more'), 50);
    await reset;
    clearInterval(more);
  });

  test('a client that does not read what it asks for is sent away', async () => {
    const app = await App.launch();
    const token = tokenOf(await app.signIn('ada@example.org'));
    const { opened, closed } = open(app, ['bearer', token]);
    const socket = await opened;
    socket.pause();
    const message = 'x'.repeat(60_000);
    const flood = setInterval(() => { for (let n = 0; n < 50; n++) socket.send(message); }, 10);
    await sleep(1500);
    clearInterval(flood);
    socket.resume();
    assert.deepEqual(await closed, { code: 1013, reason: 'Read what was sent before' });
  });

  test('a user has twenty connections and no more', async () => {
    const app = await App.launch();
    const token = tokenOf(await app.signIn('ada@example.org'));
    const sockets = await Promise.all(Array.from({ length: 20 }, () => open(app, ['bearer', token]).opened));
    await assert.rejects(open(app, ['bearer', token]).opened, /status 429/);
    const other = tokenOf(await app.signIn('bob@example.org'));
    await open(app, ['bearer', other]).opened;
    sockets[0]?.close();
    await eventually('there is room again', () => open(app, ['bearer', token]).opened.then(() => true, () => false));
  });
});

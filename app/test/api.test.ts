import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeAbandoned } from '../src/documents.ts';
import { App, copyOfApp, migratedDatabase, PASSWORD, run } from './app.ts';
import { eventually, execute, Interference } from './servers.ts';

interface Problem {
  error: string;
}

async function refused(response: Response, status: number, error: RegExp): Promise<void> {
  assert.equal(response.status, status);
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
  assert.match(((await response.json()) as Problem).error, error);
}

let app: App;
let ada: { Authorization: string };

before(async () => {
  app = await App.launch({ MAX_FILE_SIZE: '100MB' });
  ada = await app.signIn('ada@example.org');
});

describe('signing in', () => {
  const login = (body: unknown) => app.postJson('/api/auth/login', body);

  test('a password is exchanged for a token that says who one is', async () => {
    const response = await login({ email: 'ADA@example.org', password: PASSWORD });
    assert.equal(response.status, 200);
    const { token, expiresIn } = (await response.json()) as { token: string; expiresIn: number };
    assert.equal(expiresIn, 86_400);
    const me = await app.fetch('/api/auth/me', { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(((await me.json()) as { email: string }).email, 'ada@example.org');
  });

  test('a wrong password and an unknown user are refused alike', async () => {
    const answers = await Promise.all(
      ['ada@example.org', 'nobody@example.org'].map(async (email) => {
        const response = await login({ email, password: 'wrong-password' });
        return [response.status, (await response.json()) as unknown];
      }),
    );
    assert.deepEqual(answers[0], [401, { error: 'E-mail address or password is wrong' }]);
    assert.deepEqual(answers[1], answers[0]);
  });

  test('an unknown user costs the time of a known one', async () => {
    const fastest = async (email: string) => {
      const times = [];
      for (let attempt = 0; attempt < 5; attempt++) {
        const start = performance.now();
        await login({ email, password: 'wrong-password' });
        times.push(performance.now() - start);
      }
      return Math.min(...times);
    };
    assert((await fastest('nobody@example.org')) > 0.5 * (await fastest('ada@example.org')));
  });

  test('attempts are kept, with address and program, and never a password', async () => {
    await app.fetch('/api/auth/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'User-Agent': 'test/1', 'X-Forwarded-For': '203.0.113.9' },
      body: JSON.stringify({ email: 'eve@example.org', password: 'guessed-password' }),
    });
    const events = await execute(app.databaseUrl, "SELECT * FROM event_log WHERE details->>'email' = 'eve@example.org'");
    assert.equal(events.length, 1);
    const { kind, ip, user_agent } = events[0] as Record<string, unknown>;
    assert.deepEqual([kind, ip, user_agent], ['login.failed', '203.0.113.9', 'test/1']);
    assert.doesNotMatch(JSON.stringify(events) + app.output, /guessed-password/);
  });

  test('an address that is none is not kept, and is no obstacle', async () => {
    const attempt = { email: 'mallory@example.org', password: 'guessed' };
    const response = await app.postJson('/api/auth/login', attempt, { 'X-Forwarded-For': 'unknown' });
    assert.equal(response.status, 401);
    const events = await execute(app.databaseUrl, "SELECT ip FROM event_log WHERE details->>'email' = 'mallory@example.org'");
    assert.deepEqual(events, [{ ip: null }]);
  });

  test('attempts are forgotten after 90 days', async () => {
    const insert = (kind: string, days: number) =>
      `INSERT INTO event_log (kind, occurred_at) VALUES ('${kind}', now() - interval '${days} days');`;
    await execute(app.databaseUrl, insert('test.old', 91) + insert('test.young', 89));
    await App.launch({ DATABASE_URL: app.databaseUrl });
    const kinds = () => execute(app.databaseUrl, "SELECT kind FROM event_log WHERE kind LIKE 'test.%'");
    await eventually('the old one is gone', async () => (await kinds()).length === 1);
    assert.deepEqual(await kinds(), [{ kind: 'test.young' }]);
  });

  test('many at once are refused, and do not hold up the rest', async () => {
    const slow = await App.launch({ DATABASE_URL: app.databaseUrl, BCRYPT_SALT_ROUNDS: '13' });
    const body = { email: 'nobody@example.org', password: 'wrong' };
    const logins = Array.from({ length: 40 }, async () => slow.postJson('/api/auth/login', body));
    const health = await slow.fetch('/api/health');
    const answers = await Promise.all(logins);
    assert.equal(health.status, 200);
    assert.equal(answers.filter(({ status }) => status === 401).length, 22);
    const busy = answers.filter(({ status }) => status === 429);
    assert.equal(busy.length, 18);
    assert.equal(busy[0]?.headers.get('retry-after'), '5');
  });

  const wrong: [string, unknown, RegExp][] = [
    ['an address with a NUL', { email: 'a\0@example.org', password: PASSWORD }, /email: /],
    ['half a character in an address', { email: 'a\ud800@example.org', password: PASSWORD }, /email: /],
    ['no password', { email: 'ada@example.org' }, /password: /],
    ['a number as address', { email: 1, password: PASSWORD }, /email: /],
    ['a field too many', { email: 'a', password: 'b', admin: true }, /admin/],
    ['a list', [], /body: /],
  ];
  for (const [what, body, error] of wrong) {
    test(`${what} is refused`, async () => { await refused(await login(body), 400, error); });
  }

  const tokens: [string, string | undefined, RegExp][] = [
    ['no token', undefined, /Sign in first/],
    ['another scheme', 'Basic YTpi', /Sign in first/],
    ['no JWT', 'Bearer abc', /The token is not valid/],
    ['an unsigned JWT', `Bearer ${unsignedToken()}`, /The token is not valid/],
  ];
  for (const [what, header, error] of tokens) {
    test(`${what} is refused`, async () => {
      const response = await app.fetch('/api/auth/me', { headers: header === undefined ? {} : { Authorization: header } });
      assert.equal(response.headers.get('www-authenticate'), 'Bearer');
      await refused(response, 401, error);
    });
  }

  test("another key's tokens, expired ones, and those of deleted users are refused", async () => {
    const other = await App.launch({ DATABASE_URL: app.databaseUrl, JWT_SECRET: 'y'.repeat(32), JWT_EXPIRES_IN: '1s' });
    const eve = await other.signIn('eve@example.org');
    await refused(await app.fetch('/api/auth/me', { headers: eve }), 401, /not valid/);
    await sleep(1100);
    await refused(await other.fetch('/api/auth/me', { headers: eve }), 401, /expired/);
  
    const gone = await app.signIn('gone@example.org');
    await execute(app.databaseUrl, "DELETE FROM users WHERE email = 'gone@example.org'");
    await refused(await app.fetch('/api/auth/me', { headers: gone }), 401, /gone/);
  });

  test('a rotation of the key signs nobody out while the one before is accepted', async () => {
    const [old, key] = ['o'.repeat(32), 'n'.repeat(32)];
    const before = await App.launch({ DATABASE_URL: app.databaseUrl, JWT_SECRET: old });
    const session = await before.signIn('rosa@example.org');
    const during = await App.launch({ DATABASE_URL: app.databaseUrl, JWT_SECRET: key, JWT_SECRET_PREVIOUS: old });
    assert.equal((await during.fetch('/api/auth/me', { headers: session })).status, 200);

    const renewed = await during.signIn('rudi@example.org');
    await refused(await before.fetch('/api/auth/me', { headers: renewed }), 401, /not valid/);
    const after = await App.launch({ DATABASE_URL: app.databaseUrl, JWT_SECRET: key });
    assert.equal((await after.fetch('/api/auth/me', { headers: renewed })).status, 200);
    await refused(await after.fetch('/api/auth/me', { headers: session }), 401, /not valid/);
  });

  test('a session that was signed by the key before ends when it says', async () => {
    const old = 'o'.repeat(32);
    const before = await App.launch({ DATABASE_URL: app.databaseUrl, JWT_SECRET: old, JWT_EXPIRES_IN: '1s' });
    const session = await before.signIn('emil@example.org');
    const during = await App.launch({ DATABASE_URL: app.databaseUrl, JWT_SECRET: 'n'.repeat(32), JWT_SECRET_PREVIOUS: old });
    await sleep(1100);
    await refused(await during.fetch('/api/auth/me', { headers: session }), 401, /expired/);
  });

  function unsignedToken(): string {
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    return `${encode({ alg: 'none', typ: 'JWT' })}.${encode({ sub: crypto.randomUUID(), exp: 4e9 })}.`;
  }
});

describe('adding users', () => {
  const add = (args: string[], password: string) => run('user-add.js', args, { DATABASE_URL: app.databaseUrl }, password);

  test('whoever was added can sign in', async () => {
    const { code, stdout } = await add(['new@example.org'], `${PASSWORD}\n`);
    assert.deepEqual([code, stdout], [0, 'Added new@example.org\n']);
    const response = await app.postJson('/api/auth/login', { email: 'new@example.org', password: PASSWORD });
    assert.equal(response.status, 200);
  });

  test('a second account for an address is refused, however it is written', async () => {
    const { code, stderr } = await add(['Ada@Example.org'], PASSWORD);
    assert.deepEqual([code, stderr], [1, 'Ada@Example.org has an account already\n']);
  });

  for (const [args, password, error] of [
    [[], PASSWORD, /^Usage: /],
    [['no-address'], PASSWORD, /^Usage: /],
    [['new@example.org', PASSWORD], '', /^Usage: /],
    [['new@example.org'], 'short', /at least 10 characters/],
    [['new@example.org'], 'ä'.repeat(37), /at most 72 bytes/],
  ] as const) {
    test(`user:add ${args.length} arguments, password of ${password.length}: ${error.source}`, async () => {
      const { code, stderr } = await add([...args], password);
      assert.equal(code, 1);
      assert.match(stderr, error);
    });
  }

  test('the password is stored as a bcrypt hash of the configured cost', async () => {
    const [row] = await execute<{ password_hash: string }>(
      app.databaseUrl,
      "SELECT password_hash FROM users WHERE email = 'new@example.org'",
    );
    assert.match(row?.password_hash ?? '', /^\$2b\$12\$/);
  });
});

describe('documents', () => {
  const upload = (form: FormData, headers: Record<string, string> = ada) =>
    app.fetch('/api/documents/upload', { method: 'POST', headers, body: form });

  function form(content: string | Buffer, name: string, field = 'file'): FormData {
    const data = new FormData();
    data.append(field, new Blob([new Uint8Array(Buffer.from(content))], { type: 'text/plain' }), name);
    return data;
  }

  interface Stored {
    id: string;
    name: string;
    size: number;
    mediaType: string;
  }

  test('what was uploaded is listed and comes back, to its owner alone', async () => {
    const response = await upload(form('Grüße', 'Zähler 1.txt'));
    assert.equal(response.status, 201);
    const stored = (await response.json()) as Stored;
    assert.deepEqual([stored.name, stored.size, stored.mediaType], ['Zähler 1.txt', 7, 'text/plain']);

    const list = (await (await app.fetch('/api/documents', { headers: ada })).json()) as { documents: Stored[] };
    assert(list.documents.some(({ id, name }) => id === stored.id && name === stored.name));

    const download = await app.fetch(`/api/documents/${stored.id}`, { headers: ada });
    assert.equal(await download.text(), 'Grüße');
    assert.match(download.headers.get('content-disposition') ?? '', /^attachment; .*filename\*=UTF-8''Z%C3%A4hler%201\.txt/);
    assert.equal(download.headers.get('x-content-type-options'), 'nosniff');

    const bob = await app.signIn('bob@example.org');
    await refused(await app.fetch(`/api/documents/${stored.id}`, { headers: bob }), 404, /no such document/);
    const bobs = (await (await app.fetch('/api/documents', { headers: bob })).json()) as { documents: Stored[] };
    assert.deepEqual(bobs.documents, []);
    const events = await execute(app.databaseUrl, `SELECT 1 FROM event_log WHERE kind = 'document.uploaded' AND details->>'document' = '${stored.id}'`);
    assert.equal(events.length, 1);
  });

  for (const [name, kept] of [
    ['../../../etc/passwd', 'passwd'],
    ['..\\..\\windows\\system.ini', 'system.ini'],
    ['/etc/cron.d/evil', 'evil'],
    ['...', 'unnamed'],
    ['.htaccess', 'htaccess'],
    ['rechnung\u202Efdp.exe', 'rechnungfdp.exe'],
    ['x'.repeat(300), 'x'.repeat(200)],
  ] as const) {
    test(`a file called ${JSON.stringify(name.slice(0, 40))} stays in its place`, async () => {
      const response = await upload(form('content', name));
      assert.equal(response.status, 201);
      const stored = (await response.json()) as Stored;
      assert.equal(stored.name, kept);
      assert.equal(readFileSync(path.join(app.uploads, stored.id), 'utf8'), 'content');
      const nothingElse = readdirSync(app.uploads).every((file) => /^[0-9a-f-]{36}$/.test(file));
      assert(nothingElse, readdirSync(app.uploads).join());
    });
  }

  for (const id of ['..%2F..%2Fetc%2Fpasswd', '%2e%2e', 'x', '%']) {
    test(`a document called ${id} is refused`, async () => {
      const response = await app.fetch(`/api/documents/${id}`, { headers: ada });
      assert(response.status === 400 || response.status === 404);
      assert.doesNotMatch(await response.text(), /root:/);
    });
  }

  test('a document whose content is gone is not found, and no path is shown', async () => {
    const stored = (await (await upload(form('x', 'x.txt'))).json()) as Stored;
    rmSync(path.join(app.uploads, stored.id));
    await refused(await app.fetch(`/api/documents/${stored.id}`, { headers: ada }), 404, /^The file is not there$/);
  });

  test('nobody uploads without signing in', async () => {
    await refused(await upload(form('x', 'x.txt'), {}), 401, /Sign in first/);
  });

  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
    test(`a body of ${type} is refused`, async () => {
      const init = { method: 'POST', headers: { ...ada, 'Content-Type': type }, body: '{}' };
      await refused(await app.fetch('/api/documents/upload', init), 415, /must be multipart\/form-data/);
    });
  }

  test('another field, a second file, no file, and a broken body are refused', async () => {
    const before = readdirSync(app.uploads).length;
    await refused(await upload(form('x', 'x.txt', 'document')), 400, /one file, in the field "file"/);
    const two = form('x', 'x.txt');
    two.append('file', new Blob(['y']), 'y.txt');
    await refused(await upload(two), 400, /one file, in the field "file"/);
    await refused(await upload(new FormData()), 400, /no file|cannot be read/);
    await refused(await upload(form('x', '..')), 400, /no file/);
    for (const type of ['multipart/form-data', 'multipart/form-data; boundary=x']) {
      const init = { method: 'POST', headers: { ...ada, 'Content-Type': type }, body: '--x\r\nbroken' };
      await refused(await app.fetch('/api/documents/upload', init), 400, /cannot be read/);
    }
    assert.equal(readdirSync(app.uploads).length, before);
  });

  describe('of size', () => {
    let small: App;
    before(async () => { small = await App.launch({ DATABASE_URL: app.databaseUrl, MAX_FILE_SIZE: '100KB' }); });

    const send = (size: number, chunked: boolean) => {
      const body = form(Buffer.alloc(size), 'x.bin');
      // A stream has no length: it is sent in chunks.
      const response = new Response(body);
      const type = response.headers.get('content-type') ?? '';
      return small.fetch('/api/documents/upload', {
        method: 'POST',
        headers: chunked ? { ...ada, 'Content-Type': type } : ada,
        ...(chunked ? { body: response.body, duplex: 'half' } : { body }),
      });
    };

    test('the largest allowed is taken', async () => {
      assert.equal((await send(102_400, false)).status, 201);
    });

    for (const chunked of [false, true]) {
      for (const size of [102_401, 20_000_000]) {
        test(`${size} bytes are refused ${chunked ? 'in chunks' : 'with a length'}, and nothing stays`, async () => {
          const before = readdirSync(small.uploads);
          await refused(await send(size, chunked), 413, /larger than 102400 bytes/);
          await eventually('the directory is as before', () => readdirSync(small.uploads).length === before.length);
        });
      }
    }
  });

  test('100 MB go through in bounded memory', async () => {
    const memory = async () => {
      const response = await app.fetch('/api/health', { headers: { 'X-Health-Check-Token': 'health-check-token' } });
      return ((await response.json()) as { checks: { memory: { used: number } } }).checks.memory.used;
    };
    const before = await memory();
    let peak = 0;
    const watch = setInterval(() => void memory().then((used) => { peak = Math.max(peak, used); }), 100);
    const response = await upload(form(Buffer.alloc(100 * 1024 ** 2), 'large.bin'));
    clearInterval(watch);
    assert.equal(response.status, 201);
    const growth = Math.round((Math.max(peak, await memory()) - before) / 1024 ** 2);
    assert(growth < 80, `grew by ${growth} MB`);
  });

  for (const [side, says, kept] of [
    ['server', 'after it was stored', 1],
    ['client', 'before it was stored', 0],
  ] as const) {
    test(`a file stays exactly when its document does: a connection lost ${says}`, async (t) => {
      const databaseUrl = await migratedDatabase();
      const network = await Interference.launch(Number(new URL(databaseUrl).port));
      t.after(() => { network.close(); });
      const cut = await App.launch({ DATABASE_URL: network.via(databaseUrl) });
      const headers = await cut.signIn('ada@example.org');
      network.cuts = (text, from) => from === side && text.includes('COMMIT');
      const response = await cut.fetch('/api/documents/upload', { method: 'POST', headers, body: form('x', 'x.txt') });
      assert.equal(response.status, 503);
      const rows = await execute<{ id: string }>(databaseUrl, 'SELECT id FROM documents');
      assert.equal(rows.length, kept);
      assert.deepEqual(readdirSync(cut.uploads), rows.map(({ id }) => id));
    });
  }

  test('what a killed process left half-written is removed once it is old, whatever others do meanwhile', async (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'stromhaltig-uploads-'));
    t.after(() => { rmSync(directory, { recursive: true }); });
    for (const name of ['old.part', 'young.part', 'old']) writeFileSync(path.join(directory, name), '');
    for (const name of ['old.part', 'old']) utimesSync(path.join(directory, name), 0, 0);
    // Listed, and not there: as one that is renamed between the two looks.
    symlinkSync('nowhere', path.join(directory, 'gone.part'));
    await removeAbandoned(directory);
    assert.deepEqual(readdirSync(directory).sort(), ['gone.part', 'old', 'young.part']);
  });

  test('an upload that breaks off leaves nothing', async () => {
    const before = readdirSync(app.uploads);
    const socket = connect(app.port, '127.0.0.1');
    socket.write(
      `POST /api/documents/upload HTTP/1.1\r\nHost: x\r\nAuthorization: ${ada.Authorization}\r\n` +
        `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n` +
        `--b\r\nContent-Disposition: form-data; name="file"; filename="half.txt"\r\n\r\n${'x'.repeat(50_000)}`,
    );
    await eventually('a partial file is there', () => readdirSync(app.uploads).some((name) => name.endsWith('.part')));
    socket.destroy();
    await eventually('the directory is as before', () => readdirSync(app.uploads).length === before.length);
    assert.deepEqual(readdirSync(app.uploads), before);
    await eventually('the log says so', () => app.logs.some(({ aborted }) => aborted === true));
  });
});

describe('quizzes', () => {
  test('are there for everybody, with questions and without answers', async () => {
    const response = await app.fetch('/api/quizzes');
    const { quizzes } = (await response.json()) as { quizzes: { id: number; questions: object[] }[] };
    assert.equal(quizzes.length, 1);
    assert.deepEqual(Object.keys(quizzes[0]?.questions[0] ?? {}), ['id', 'question', 'choices']);
  });

  const submit = (id: string | number, answers: unknown, headers = ada) =>
    app.postJson(`/api/quizzes/${id}/results`, { answers }, headers);

  test('answers are counted and kept', async () => {
    const response = await submit(1, [0, 0, 2]);
    assert.equal(response.status, 201);
    assert.deepEqual(await response.json(), { correct: 2, total: 3 });
    const rows = await execute(app.databaseUrl, 'SELECT correct, total FROM quiz_results');
    assert.deepEqual(rows, [{ correct: 2, total: 3 }]);
  });

  test('wrong submissions are refused', async () => {
    await refused(await submit(1, [0, 0]), 400, /has 3 questions, and these are 2/);
    await refused(await submit(1, 'all'), 400, /answers: /);
    await refused(await submit(99, [0]), 404, /no such quiz/);
    await refused(await submit('x', [0]), 400, /./);
    await refused(await app.postJson('/api/quizzes/1/results', { answers: [] }), 401, /Sign in first/);
  });
});

describe('requests that are wrong', () => {
  const post = (body: string, type = 'application/json') =>
    app.fetch('/api/auth/login', { method: 'POST', headers: { 'Content-Type': type }, body });

  test('JSON that is none', async () => { await refused(await post('{"email":'), 400, /not valid JSON/); });
  test('JSON of another type', async () => { await refused(await post('{}', 'text/plain'), 415, /must be application\/json/); });
  test('JSON that is too large', async () => { await refused(await post(`"${'x'.repeat(20_000)}"`), 413, /too large/); });
  test('no such route', async () => { await refused(await app.fetch('/api/nothing?x=1'), 404, /^There is no GET \/api\/nothing$/); });
  test('no such method', async () => { await refused(await app.fetch('/api/quizzes', { method: 'DELETE' }), 404, /DELETE/); });

  test('what was refused is no error in the log', () => {
    assert.deepEqual(app.logs.filter(({ level }) => level === 'error'), []);
  });
});

test('an error of our own is answered without its details', async () => {
  const broken = await App.launch();
  await execute(broken.databaseUrl, 'DROP TABLE quizzes CASCADE');
  const response = await broken.fetch('/api/quizzes');
  assert.equal(response.status, 500);
  const { error, requestId } = (await response.json()) as { error: string; requestId: string };
  assert.equal(error, 'Something went wrong on our side');
  const logged = broken.logs.find((record) => record['requestId'] === requestId && record.level === 'error');
  assert.match(JSON.stringify(logged?.['err']), /relation \\"quizzes\\" does not exist/);
});

describe('the web client', () => {
  let root: string;
  let server: App;

  before(async () => {
    root = copyOfApp();
    const dist = path.join(root, 'client', 'dist');
    mkdirSync(path.join(dist, 'assets'), { recursive: true });
    writeFileSync(path.join(dist, 'index.html'), '<!doctype html><title>Stromhaltig</title>');
    writeFileSync(path.join(dist, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    writeFileSync(path.join(dist, 'assets', 'index-4f3a.js'), `console.log("${'x'.repeat(2000)}")`);
    server = await App.launch({ DATABASE_URL: app.databaseUrl }, root);
  });
  after(() => { rmSync(root, { recursive: true }); });

  const page = (route: string, accept = 'text/html,*/*') => server.fetch(route, { headers: { Accept: accept } });

  for (const route of ['/', '/index.html', '/quiz/1', '/documents']) {
    test(`${route} is the page, asked for anew each time`, async () => {
      const response = await page(route);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /<title>Stromhaltig/);
      assert.equal(response.headers.get('cache-control'), 'no-cache');
    });
  }

  test('assets are kept for ever, and compressed', async () => {
    const response = await page('/assets/index-4f3a.js');
    assert.equal(response.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(response.headers.get('content-encoding'), 'gzip');
  });

  test('other files are asked for anew', async () => {
    assert.equal((await page('/favicon.svg')).headers.get('cache-control'), 'no-cache');
  });

  test('what is not there is not the page', async () => {
    await refused(await page('/assets/index-0000.js'), 404, /There is no GET/);
    await refused(await page('/robots.txt'), 404, /There is no GET/);
    await refused(await page('/api/nothing'), 404, /There is no GET/);
    await refused(await page('/quiz/1', 'application/json'), 404, /There is no GET/);
    await refused(await server.fetch('/quiz/1', { method: 'POST' }), 404, /There is no POST/);
    assert.notEqual((await page('/..%2f..%2fpackage.json')).status, 200);
  });

  test('security headers are on pages, assets, answers and refusals', async () => {
    for (const route of ['/', '/assets/index-4f3a.js', '/api/quizzes', '/api/nothing']) {
      const { headers } = await page(route);
      assert.match(headers.get('content-security-policy') ?? '', /^default-src 'self';.*frame-ancestors 'none'/);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('x-frame-options'), 'DENY');
      assert.equal(headers.get('x-powered-by'), null);
    }
  });
});

test('ENABLE_COMPRESSION=false sends everything as it is', async () => {
  const plain = await App.launch({ DATABASE_URL: app.databaseUrl, ENABLE_COMPRESSION: 'false' });
  const list = (server: App) => server.fetch('/api/documents', { headers: { ...ada, 'Accept-Encoding': 'gzip' } });
  assert.equal((await list(plain)).headers.get('content-encoding'), null);
  assert.equal((await list(app)).headers.get('content-encoding'), 'gzip');
});

import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { http, HttpResponse } from 'msw';
import { MemoryRouter } from 'react-router';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { App } from './App';
import { SessionProvider } from './session';
import { live, offered, server, TOKEN } from './test/server';

function show(path: string) {
  render(
    <MemoryRouter initialEntries={[path]}>
      <SessionProvider>
        <App />
      </SessionProvider>
    </MemoryRouter>,
  );
  return userEvent.setup();
}

function showSignedIn(path: string) {
  sessionStorage.setItem('stromhaltig.token', TOKEN);
  return show(path);
}

async function signIn(user: ReturnType<typeof userEvent.setup>, password: string) {
  await user.type(screen.getByLabelText('E-Mail'), 'a@example.org');
  await user.type(screen.getByLabelText('Passwort'), password);
  await user.click(screen.getByRole('button', { name: 'Anmelden' }));
}

describe('signing in', () => {
  it('leads where the visitor wanted to go', async () => {
    const user = show('/quiz');
    await signIn(user, 'richtig');
    expect(await screen.findByRole('heading', { name: 'Quiz' })).toBeVisible();
  });

  it('says that the password is wrong and lets one try again', async () => {
    const user = show('/anmelden');
    await signIn(user, 'falsch');
    expect(await screen.findByRole('alert')).toHaveTextContent('E-Mail oder Passwort ist falsch.');
    expect(screen.getByRole('button', { name: 'Anmelden' })).toBeEnabled();
  });

  it('says when to come back after too many attempts', async () => {
    server.use(
      http.post('/api/auth/login', () =>
        HttpResponse.json({}, { status: 429, headers: { 'Retry-After': '12' } }),
      ),
    );
    const user = show('/anmelden');
    await signIn(user, 'richtig');
    expect(await screen.findByRole('alert')).toHaveTextContent('in 12 Sekunden');
  });

  it('is asked for again when the session has expired', async () => {
    sessionStorage.setItem('stromhaltig.token', 'expired');
    show('/dokumente');
    expect(await screen.findByLabelText('Passwort')).toBeVisible();
    expect(sessionStorage.getItem('stromhaltig.token')).toBeNull();
  });

  it('ends with signing out', async () => {
    const user = showSignedIn('/dokumente');
    await user.click(screen.getByRole('button', { name: 'Abmelden' }));
    expect(screen.getByLabelText('Passwort')).toBeVisible();
    expect(sessionStorage.getItem('stromhaltig.token')).toBeNull();
  });
});

describe('documents', () => {
  it('are listed with size and time', async () => {
    showSignedIn('/dokumente');
    const row = await screen.findByRole('row', { name: /Zählerstände\.pdf/ });
    expect(row).toHaveTextContent('1,5 MB');
    expect(row).toHaveTextContent('02.01.2026');
  });

  it('are uploaded in the field that the server reads, and listed anew', async () => {
    let sent: FormDataEntryValue | null = null;
    let lists = 0;
    server.use(
      http.post('/api/documents/upload', async ({ request }) => {
        sent = (await request.formData()).get('file');
        return HttpResponse.json({}, { status: 201 });
      }),
      http.get('/api/documents', () => {
        lists += 1;
        return HttpResponse.json({ documents: [] });
      }),
    );
    const user = showSignedIn('/dokumente');
    await screen.findByText('Noch keine Dokumente.');
    await user.upload(screen.getByLabelText('Neues Dokument'), new File(['kWh'], 'a.csv'));
    await user.click(screen.getByRole('button', { name: 'Hochladen' }));
    expect(await screen.findByText('„a.csv“ ist hochgeladen.')).toBeVisible();
    // jsdom's files lose their names on the way to Node's.
    expect(sent).toHaveProperty('size', 3);
    await waitFor(() => {
      expect(lists).toBe(2);
    });
  });

  it('that are too large are refused in words', async () => {
    server.use(
      http.post('/api/documents/upload', () => HttpResponse.json({}, { status: 413 })),
    );
    const user = showSignedIn('/dokumente');
    await user.upload(screen.getByLabelText('Neues Dokument'), new File(['kWh'], 'a.csv'));
    await user.click(screen.getByRole('button', { name: 'Hochladen' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('größer als erlaubt');
  });

  it('stop being uploaded when the reader says so', async () => {
    server.use(http.post('/api/documents/upload', () => new Promise<never>(() => undefined)));
    const user = showSignedIn('/dokumente');
    await user.upload(screen.getByLabelText('Neues Dokument'), new File(['kWh'], 'a.csv'));
    await user.click(screen.getByRole('button', { name: 'Hochladen' }));
    expect(screen.getByRole('progressbar', { name: 'a.csv wird hochgeladen' })).toBeVisible();
    await user.click(screen.getByRole('button', { name: 'Abbrechen' }));
    expect(await screen.findByRole('button', { name: 'Hochladen' })).toBeEnabled();
    expect(screen.queryByRole('alert')).not.toBeInTheDocument();
  });
});

it('evaluates the answers to a quiz', async () => {
  const user = showSignedIn('/quiz');
  await user.click(await screen.findByText('2 Fragen beantworten'));
  await user.click(screen.getByRole('radio', { name: '50 Hz' }));
  await user.click(screen.getByRole('radio', { name: '110 V' }));
  await user.click(screen.getByRole('button', { name: 'Auswerten' }));
  expect(await screen.findByText('1 von 2 Antworten sind richtig.')).toBeVisible();
});

describe('the state of the server', () => {
  it('is shown when it is well', async () => {
    show('/anmelden');
    expect(await screen.findByText('System bereit')).toBeVisible();
  });

  it('is shown when it is not ready', async () => {
    server.use(
      http.get('/api/health', () => HttpResponse.json({ status: 'error' }, { status: 503 })),
    );
    show('/anmelden');
    expect(await screen.findByText('System nicht erreichbar')).toBeVisible();
  });

  it('is followed over a WebSocket that carries the token as a subprotocol', async () => {
    offered.length = 0;
    showSignedIn('/dokumente');
    expect(await screen.findByText('Live verbunden')).toBeVisible();
    expect(await screen.findByText(/\d+ ms/)).toBeVisible();
    expect(offered).toEqual([['bearer', TOKEN]]);
  });

  it('is followed again after the server has restarted', async () => {
    let connections = 0;
    server.use(
      live.addEventListener('connection', ({ client }) => {
        connections += 1;
        if (connections === 1) client.close(1001);
      }),
    );
    showSignedIn('/dokumente');
    await waitFor(() => {
      expect(connections).toBe(1);
    });
    expect(await screen.findByText('Live getrennt')).toBeVisible();
    expect(await screen.findByText('Live verbunden', {}, { timeout: 4000 })).toBeVisible();
  });

  it('is not followed when the session has expired', async () => {
    server.use(
      live.addEventListener('connection', ({ client }) => {
        client.close(1008);
      }),
    );
    showSignedIn('/quiz');
    expect(await screen.findByLabelText('Passwort')).toBeVisible();
  });
});

it('asks for the password when a live connection is refused and the session has expired', async () => {
  server.use(http.get('/api/auth/me', () => HttpResponse.json({}, { status: 401 })));
  class Refused extends EventTarget {
    onclose: ((event: { code: number }) => void) | undefined;
    constructor() {
      super();
      setTimeout(() => this.onclose?.({ code: 1006 }));
    }
    close() {
      this.onclose = undefined;
    }
  }
  vi.stubGlobal('WebSocket', Refused);
  onTestFinished(() => {
    vi.unstubAllGlobals();
  });
  showSignedIn('/quiz');
  expect(await screen.findByLabelText('Passwort')).toBeVisible();
});

it('says so when there is no such page', () => {
  show('/gibt/es/nicht');
  expect(screen.getByRole('heading', { name: 'Seite nicht gefunden' })).toBeVisible();
});

it.each(['/anmelden', '/dokumente', '/quiz', '/gibt/es/nicht'])(
  'has nothing that axe would mend on %s',
  async (path) => {
    if (path === '/anmelden') show(path);
    else showSignedIn(path);
    await waitFor(() => {
      expect(screen.queryByText('Wird geladen …')).not.toBeInTheDocument();
    });
    // jsdom draws nothing: contrast cannot be measured in it.
    const { violations } = await axe.run(document.body, {
      rules: { 'color-contrast': { enabled: false } },
    });
    expect(violations).toEqual([]);
  },
);

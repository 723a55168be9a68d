import { http, HttpResponse, ws } from 'msw';
import { setupServer } from 'msw/node';

/** What the API answers while nothing is wrong; tests override single routes. */

export const TOKEN = 'header.payload.signature';

export const live = ws.link('ws://localhost:3000/api/ws');

/** The subprotocols of each WebSocket that was opened. */
export const offered: (string | string[] | undefined)[] = [];

export const server = setupServer(
  http.get('/api/health', () => HttpResponse.json({ status: 'ok' })),
  http.post('/api/auth/login', async ({ request }) => {
    const { password } = (await request.json()) as { password: string };
    return password === 'richtig'
      ? HttpResponse.json({ token: TOKEN, expiresIn: 86_400 })
      : HttpResponse.json({ error: 'wrong' }, { status: 401 });
  }),
  http.get('/api/auth/me', ({ request }) =>
    request.headers.get('Authorization') === `Bearer ${TOKEN}`
      ? HttpResponse.json({ id: '6b0e9c9e-6c0c-4d3e-9f0f-6f6ad5c3a002', email: 'a@example.org' })
      : HttpResponse.json({ error: 'Sign in first' }, { status: 401 }),
  ),
  http.get('/api/documents', ({ request }) =>
    request.headers.get('Authorization') === `Bearer ${TOKEN}`
      ? HttpResponse.json({
          documents: [
            {
              id: '6b0e9c9e-6c0c-4d3e-9f0f-6f6ad5c3a001',
              name: 'Zählerstände.pdf',
              mediaType: 'application/pdf',
              size: 1_500_000,
              uploadedAt: '2026-01-02T12:00:00.000Z',
            },
          ],
        })
      : HttpResponse.json({ error: 'Sign in first' }, { status: 401 }),
  ),
  http.post('/api/documents/upload', () => HttpResponse.json({}, { status: 201 })),
  http.get('/api/quizzes', () =>
    HttpResponse.json({
      quizzes: [
        {
          id: 1,
          title: 'Netz',
          description: 'Zwei Fragen',
          questions: [
            { id: 7, question: 'Welche Frequenz?', choices: ['60 Hz', '50 Hz'] },
            { id: 8, question: 'Welche Spannung?', choices: ['230 V', '110 V'] },
          ],
        },
      ],
    }),
  ),
  http.post('/api/quizzes/1/results', async ({ request }) => {
    const { answers } = (await request.json()) as { answers: number[] };
    const correct = answers.filter((answer, index) => answer === [1, 0][index]).length;
    return HttpResponse.json({ correct, total: 2 }, { status: 201 });
  }),
  live.addEventListener('connection', ({ client, info }) => {
    offered.push(info.protocols);
    client.addEventListener('message', ({ data }) => {
      client.send(data);
    });
  }),
);

/** What the server can be asked. Errors carry a message for the reader. */

export interface StoredDocument {
  id: string;
  name: string;
  mediaType: string;
  /** In bytes. */
  size: number;
  /** ISO 8601. */
  uploadedAt: string;
}

export interface Quiz {
  id: number;
  title: string;
  description: string;
  questions: { id: number; question: string; choices: string[] }[];
}

export interface QuizResult {
  correct: number;
  total: number;
}

export type Health = 'ok' | 'degraded' | 'unreachable';

export class ApiError extends Error {
  /** The HTTP status; 0 when there was no answer at all. */
  readonly status: number;

  constructor(status: number, retryAfter: string | null) {
    super(explain(status, retryAfter));
    this.status = status;
  }
}

export async function login(email: string, password: string): Promise<string> {
  const response = await request('/api/auth/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  const { token } = (await response.json()) as { token: string };
  return token;
}

/** Whether the server still accepts the session; true when nobody can say. */
export async function isSignedIn(token: string): Promise<boolean> {
  try {
    await request('/api/auth/me', { headers: bearer(token) });
    return true;
  } catch (problem) {
    return !(problem instanceof ApiError && problem.status === 401);
  }
}

export async function listDocuments(token: string, signal: AbortSignal): Promise<StoredDocument[]> {
  const response = await request('/api/documents', { headers: bearer(token), signal });
  const { documents } = (await response.json()) as { documents: StoredDocument[] };
  return documents;
}

export async function downloadDocument(token: string, id: string): Promise<Blob> {
  const response = await request(`/api/documents/${id}`, { headers: bearer(token) });
  return response.blob();
}

export async function listQuizzes(token: string, signal: AbortSignal): Promise<Quiz[]> {
  const response = await request('/api/quizzes', { headers: bearer(token), signal });
  const { quizzes } = (await response.json()) as { quizzes: Quiz[] };
  return quizzes;
}

/** @param answers the index of the chosen answer for each question, in order. */
export async function submitAnswers(
  token: string,
  quizId: number,
  answers: number[],
): Promise<QuizResult> {
  const response = await request(`/api/quizzes/${quizId}/results`, {
    method: 'POST',
    headers: { ...bearer(token), 'Content-Type': 'application/json' },
    body: JSON.stringify({ answers }),
  });
  return (await response.json()) as QuizResult;
}

/** Never fails: that there is no answer is one. */
export async function fetchHealth(signal: AbortSignal): Promise<Health> {
  try {
    const response = await fetch('/api/health', { signal });
    const { status } = (await response.json()) as { status?: string };
    if (!response.ok) return 'unreachable';
    return status === 'ok' ? 'ok' : 'degraded';
  } catch {
    return 'unreachable';
  }
}

interface UploadOptions {
  /** Called with the share that has been sent, from 0 to 1. */
  onProgress: (share: number) => void;
  /** Ends the upload; the promise is then rejected with an AbortError. */
  signal: AbortSignal;
}

/** Sends a file. XMLHttpRequest, because fetch does not say how far an upload is. */
export function uploadDocument(token: string, file: File, options: UploadOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const upload = new XMLHttpRequest();
    upload.open('POST', '/api/documents/upload');
    upload.setRequestHeader('Authorization', bearer(token).Authorization);
    upload.upload.onprogress = ({ loaded, total }) => {
      if (total > 0) options.onProgress(loaded / total);
    };
    upload.onload = () => {
      if (upload.status === 201) resolve();
      else reject(new ApiError(upload.status, upload.getResponseHeader('Retry-After')));
    };
    upload.onerror = () => {
      reject(new ApiError(0, null));
    };
    options.signal.addEventListener('abort', () => {
      upload.abort();
      reject(new DOMException('The upload was cancelled', 'AbortError'));
    });
    const body = new FormData();
    body.append('file', file);
    upload.send(body);
  });
}

async function request(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (problem) {
    if (init.signal?.aborted) throw problem;
    throw new ApiError(0, null);
  }
  if (!response.ok) throw new ApiError(response.status, response.headers.get('Retry-After'));
  return response;
}

function bearer(token: string) {
  return { Authorization: `Bearer ${token}` };
}

function explain(status: number, retryAfter: string | null): string {
  switch (status) {
    case 0:
      return 'Der Server ist nicht erreichbar. Bitte später erneut versuchen.';
    case 401:
      return 'Die Anmeldung ist abgelaufen. Bitte neu anmelden.';
    case 404:
      return 'Das gibt es nicht mehr.';
    case 413:
      return 'Die Datei ist größer als erlaubt.';
    case 429:
      return `Zu viele Anfragen. Bitte ${later(retryAfter)} erneut versuchen.`;
    default:
      return status >= 500
        ? 'Der Server hat gerade ein Problem. Bitte später erneut versuchen.'
        : `Der Server hat die Anfrage abgelehnt (${status}).`;
  }
}

function later(retryAfter: string | null): string {
  const seconds = Number(retryAfter);
  return retryAfter && Number.isInteger(seconds) ? `in ${seconds} Sekunden` : 'später';
}

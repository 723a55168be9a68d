import { useState } from 'react';
import { Navigate, useLocation } from 'react-router';

import { ApiError, login } from '../api';
import { useSession } from '../session';

export function LoginPage() {
  const { token, signIn } = useSession();
  const { state } = useLocation() as { state: { from?: string } | null };
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  if (token) return <Navigate to={state?.from ?? '/dokumente'} replace />;

  const submit = async (fields: FormData) => {
    setBusy(true);
    setError(undefined);
    try {
      signIn(await login(text(fields, 'email'), text(fields, 'password')));
    } catch (problem) {
      setError(message(problem));
      setBusy(false);
    }
  };

  return (
    <section className="card narrow" aria-labelledby="titel">
      <title>Anmelden · Stromhaltig</title>
      <h1 id="titel">Anmelden</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit(new FormData(event.currentTarget));
        }}
      >
        <label htmlFor="email">E-Mail</label>
        <input id="email" name="email" type="email" autoComplete="username" required />
        <label htmlFor="password">Passwort</label>
        <input
          id="password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
        />
        {error && (
          <p role="alert" className="error">
            {error}
          </p>
        )}
        <button type="submit" disabled={busy}>
          {busy ? 'Wird geprüft …' : 'Anmelden'}
        </button>
      </form>
    </section>
  );
}

function text(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === 'string' ? value : '';
}

function message(problem: unknown): string {
  if (problem instanceof ApiError && problem.status === 401) {
    return 'E-Mail oder Passwort ist falsch.';
  }
  return problem instanceof Error ? problem.message : String(problem);
}

import { useCallback, useEffect, useState } from 'react';

import { ApiError } from './api';
import { useSession } from './session';

interface Loaded<T> {
  /** Undefined until it is there. */
  data: T | undefined;
  /** What went wrong, for the reader. */
  error: string | undefined;
  reload: () => void;
}

/** What a request answers. An expired session leads to the login form. */
export function useLoaded<T>(load: (token: string, signal: AbortSignal) => Promise<T>): Loaded<T> {
  const { token, signOut } = useSession();
  const [data, setData] = useState<T>();
  const [error, setError] = useState<string>();
  const [round, setRound] = useState(0);

  useEffect(() => {
    if (!token) return;
    const leaving = new AbortController();
    load(token, leaving.signal).then(
      (answer) => {
        setData(answer);
        setError(undefined);
      },
      (problem: unknown) => {
        if (leaving.signal.aborted) return;
        if (problem instanceof ApiError && problem.status === 401) signOut();
        else setError(problem instanceof Error ? problem.message : String(problem));
      },
    );
    return () => {
      leaving.abort();
    };
  }, [load, token, signOut, round]);

  const reload = useCallback(() => {
    setRound((count) => count + 1);
  }, []);
  return { data, error, reload };
}

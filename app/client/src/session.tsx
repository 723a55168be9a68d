import { createContext, use, useCallback, useMemo, useState } from 'react';
import type { ReactNode } from 'react';

const KEY = 'stromhaltig.token';

interface Session {
  /** Who is signed in proves it with this; undefined when nobody is. */
  token: string | undefined;
  signIn: (token: string) => void;
  signOut: () => void;
}

const SessionContext = createContext<Session | undefined>(undefined);

/** Keeps the session in the tab: it survives a reload, not the tab. */
export function SessionProvider({ children }: { children: ReactNode }) {
  const [token, setToken] = useState(() => sessionStorage.getItem(KEY) ?? undefined);

  const signIn = useCallback((fresh: string) => {
    sessionStorage.setItem(KEY, fresh);
    setToken(fresh);
  }, []);
  const signOut = useCallback(() => {
    sessionStorage.removeItem(KEY);
    setToken(undefined);
  }, []);

  const session = useMemo(() => ({ token, signIn, signOut }), [token, signIn, signOut]);
  return <SessionContext value={session}>{children}</SessionContext>;
}

export function useSession(): Session {
  const session = use(SessionContext);
  if (!session) throw new Error('useSession is used outside SessionProvider');
  return session;
}

/** The token, on pages that `RequireSession` shows only to who is signed in. */
export function useToken(): string {
  const { token } = useSession();
  if (!token) throw new Error('useToken is used outside RequireSession');
  return token;
}

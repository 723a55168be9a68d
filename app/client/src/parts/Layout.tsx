import { NavLink, Outlet } from 'react-router';

import { useSession } from '../session';
import { HealthBadge } from './HealthBadge';
import { LiveStatus } from './LiveStatus';

export function Layout() {
  const { token, signOut } = useSession();
  return (
    <>
      <a className="skip" href="#inhalt">
        Zum Inhalt
      </a>
      <header>
        <span className="brand">Stromhaltig</span>
        {token && (
          <nav aria-label="Hauptmenü">
            <NavLink to="/dokumente">Dokumente</NavLink>
            <NavLink to="/quiz">Quiz</NavLink>
            <button type="button" className="quiet" onClick={signOut}>
              Abmelden
            </button>
          </nav>
        )}
      </header>
      <main id="inhalt" tabIndex={-1}>
        <Outlet />
      </main>
      <footer>
        <HealthBadge />
        {token && <LiveStatus token={token} />}
      </footer>
    </>
  );
}

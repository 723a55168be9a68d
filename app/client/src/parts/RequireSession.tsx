import { Navigate, Outlet, useLocation } from 'react-router';

import { useSession } from '../session';

/** Sends visitors to the login form, and back where they wanted to go. */
export function RequireSession() {
  const { token } = useSession();
  const { pathname } = useLocation();
  return token ? <Outlet /> : <Navigate to="/anmelden" state={{ from: pathname }} replace />;
}

import { useLiveConnection } from '../live';
import { useSession } from '../session';

/** Whether the live connection stands, and how long a message takes there and back. */
export function LiveStatus({ token }: { token: string }) {
  const { signOut } = useSession();
  const { connected, roundTripMs } = useLiveConnection(token, signOut);
  return (
    <span className={`badge ${connected ? 'ok' : 'degraded'}`}>
      <span role="status">{connected ? 'Live verbunden' : 'Live getrennt'}</span>
      {connected && roundTripMs !== undefined && ` · ${roundTripMs} ms`}
    </span>
  );
}

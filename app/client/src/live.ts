import { useEffect, useState } from 'react';

import { isSignedIn } from './api';

const PING_EVERY_MS = 15_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_AT_MOST_MS = 30_000;

/** Close code of RFC 6455: the session has expired. */
const POLICY_VIOLATION = 1008;

interface LiveConnection {
  connected: boolean;
  /** Of the last message that came back. */
  roundTripMs: number | undefined;
}

const DISCONNECTED: LiveConnection = { connected: false, roundTripMs: undefined };

/**
 * Keeps a WebSocket to the server open, and opens it again, ever later, when it ends.
 *
 * @param onExpired called, instead of opening it again, when the session has expired.
 */
export function useLiveConnection(token: string, onExpired: () => void): LiveConnection {
  const [connection, setConnection] = useState(DISCONNECTED);

  useEffect(() => {
    let socket: WebSocket | undefined;
    let pings: ReturnType<typeof setInterval> | undefined;
    let retry: ReturnType<typeof setTimeout> | undefined;
    let wait = RETRY_FIRST_MS;
    let left = false;

    const open = () => {
      // Browsers cannot set a header here; a subprotocol they can.
      const current = new WebSocket(address(), ['bearer', token]);
      socket = current;
      let opened = false;
      current.onopen = () => {
        opened = true;
        wait = RETRY_FIRST_MS;
        setConnection({ connected: true, roundTripMs: undefined });
        ping(current);
        pings = setInterval(() => {
          ping(current);
        }, PING_EVERY_MS);
      };
      current.onmessage = ({ data }) => {
        const roundTripMs = Math.round(performance.now() - Number(data));
        if (Number.isFinite(roundTripMs)) setConnection({ connected: true, roundTripMs });
      };
      current.onclose = ({ code }) => {
        clearInterval(pings);
        if (left) return;
        setConnection(DISCONNECTED);
        if (code === POLICY_VIOLATION) {
          onExpired();
          return;
        }
        // Browsers do not tell with which status a handshake was refused.
        if (!opened) {
          void isSignedIn(token).then((signedIn) => {
            if (!signedIn && !left) onExpired();
          });
        }
        retry = setTimeout(open, wait);
        wait = Math.min(wait * 2, RETRY_AT_MOST_MS);
      };
    };

    open();
    return () => {
      left = true;
      clearInterval(pings);
      clearTimeout(retry);
      socket?.close();
      setConnection(DISCONNECTED);
    };
  }, [token, onExpired]);

  return connection;
}

/** The server sends back what it gets: the time, so that the answer tells how long. */
function ping(socket: WebSocket) {
  socket.send(String(performance.now()));
}

function address(): string {
  const url = new URL('/api/ws', window.location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

import { useEffect, useState } from 'react';

import { fetchHealth } from '../api';
import type { Health } from '../api';

const EVERY_MS = 30_000;

const TEXTS: Record<Health, string> = {
  ok: 'System bereit',
  degraded: 'System eingeschränkt',
  unreachable: 'System nicht erreichbar',
};

/** Whether the server is ready, asked again every half minute. */
export function HealthBadge() {
  const [health, setHealth] = useState<Health>();

  useEffect(() => {
    const leaving = new AbortController();
    const ask = async () => {
      const answer = await fetchHealth(leaving.signal);
      if (!leaving.signal.aborted) setHealth(answer);
    };
    void ask();
    const timer = setInterval(() => void ask(), EVERY_MS);
    return () => {
      leaving.abort();
      clearInterval(timer);
    };
  }, []);

  return (
    <span role="status" className={`badge ${health ?? 'unknown'}`}>
      {health ? TEXTS[health] : 'System wird geprüft …'}
    </span>
  );
}

/** A name for what is made now; in the order of time, in every listing. */
export function stamped(name: string, now = new Date()): string {
  return `${stamp(now)}-${name.replace(/[^A-Za-z0-9._-]/g, '_')}`;
}

/** A moment, as it is in names. */
export function stamp(at: Date): string {
  return at.toISOString().replace(/[-:]|\.\d+/g, '');
}

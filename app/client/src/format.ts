const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;

/** Bytes as a person reads them: `1,5 MB`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat('de-DE', {
    style: 'unit',
    unit: UNITS[unit] ?? 'byte',
    maximumFractionDigits: 1,
  }).format(value);
}

const TIME = new Intl.DateTimeFormat('de-DE', { dateStyle: 'medium', timeStyle: 'short' });

/** A moment in ISO 8601, in the reader's time zone. */
export function formatTime(moment: string): string {
  return TIME.format(new Date(moment));
}

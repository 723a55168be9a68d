import { expect, it } from 'vitest';

import { formatSize } from './format';

it.each([
  [0, '0 Byte'],
  [999, '999 Byte'],
  [1500, '1,5 kB'],
  [104_857_600, '104,9 MB'],
  [5_000_000_000_000, '5.000 GB'],
])('writes %d bytes as %s', (bytes, text) => {
  expect(formatSize(bytes).replace(/\s/g, ' ')).toBe(text);
});

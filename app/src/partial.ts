/** Ending of uploaded files that are still being written. */
export const PARTIAL = '.part';

import bcrypt from 'bcrypt';
import { HttpError } from './errors.ts';

const MIN_LENGTH = 10;
/** Bytes; bcrypt ignores what comes after. */
const MAX_LENGTH = 72;

/** Comparisons at a time: half of the threads that Node has for them, for files and for looking up names. */
const AT_ONCE = 2;

/** Comparisons that may wait for their turn: about 3 s, at 12 rounds. */
const WAITING = 20;

/**
 * The bcrypt hash of a new password.
 *
 * @param rounds work factor; one more doubles the time.
 * @throws Error when the password is too short or too long.
 */
export async function hashPassword(password: string, rounds: number): Promise<string> {
  if (password.length < MIN_LENGTH || Buffer.byteLength(password) > MAX_LENGTH) {
    throw new Error(`The password must have at least ${MIN_LENGTH} characters and at most ${MAX_LENGTH} bytes`);
  }
  return bcrypt.hash(password, rounds);
}

/**
 * Whether a password belongs to a hash. Without one it takes as long, and says no.
 *
 * @throws HttpError 429 when too many are being compared already.
 */
export async function verifyPassword(password: string, hash: string | undefined, rounds: number): Promise<boolean> {
  const matches = await inTurn(async () => bcrypt.compare(password, hash ?? (await decoy(rounds))));
  return hash !== undefined && matches;
}

let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (waiting.length >= WAITING) throw new HttpError(429, 'Too many people are signing in; try again');
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await work();
  } finally {
    // To the next one, who counts as running already; or to nobody.
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

const decoys = new Map<number, Promise<string>>();

/** A hash of nothing anybody knows, so that an unknown user costs the time of a known one. */
export function decoy(rounds: number): Promise<string> {
  let hash = decoys.get(rounds);
  if (!hash) decoys.set(rounds, (hash = bcrypt.hash(crypto.randomUUID(), rounds)));
  return hash;
}

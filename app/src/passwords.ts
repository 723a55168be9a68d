import bcrypt from 'bcrypt';

const MIN_LENGTH = 10;
/** Bytes; bcrypt ignores what comes after. */
const MAX_LENGTH = 72;

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

/** Whether a password belongs to a hash. Without one it takes as long, and says no. */
export async function verifyPassword(password: string, hash: string | undefined, rounds: number): Promise<boolean> {
  const matches = await bcrypt.compare(password, hash ?? (await decoy(rounds)));
  return hash !== undefined && matches;
}

const decoys = new Map<number, Promise<string>>();

/** A hash of nothing anybody knows, so that an unknown user costs the time of a known one. */
export function decoy(rounds: number): Promise<string> {
  let hash = decoys.get(rounds);
  if (!hash) decoys.set(rounds, (hash = bcrypt.hash(crypto.randomUUID(), rounds)));
  return hash;
}

import { createHmac, hash } from 'node:crypto';

/** What the first line of a record names as the line before it. */
export const GENESIS = '0'.repeat(64);

/** The last line of a chain: the next one continues it. */
export interface Head {
  /** 0 where there is no line yet. */
  seq: number;
  hash: string;
}

export const EMPTY: Head = { seq: 0, hash: GENESIS };

export type LineKind = 'begin' | 'end' | 'task' | 'open' | 'rotate' | 'gap';

/** A line of the record as it was read; `fields` holds everything it says. */
export interface AuditLine {
  seq: number;
  time: string;
  prev: string;
  kind: string;
  hash: string;
  fields: Readonly<Record<string, unknown>>;
  /** The text without its hash, which the hash was made over. */
  body: Buffer;
}

const SMALLEST_KEY_BYTES = 32;
const HASH = /^(?:[0-9a-f]{8}:)?[0-9a-f]{64}$/;
const HASH_MEMBER = Buffer.from(',"hash":"');
const CLOSING = '}';

/** The key of a keyed chain: without it nobody can make lines that verify. */
export class AuditKey {
  /** Names the key in each line, and tells nothing of it. */
  readonly id: string;
  readonly #key: Buffer;

  /** @throws RangeError for less than 32 bytes */
  constructor(key: Buffer) {
    if (key.length < SMALLEST_KEY_BYTES) {
      throw new RangeError(`the key of the audit record must have ${SMALLEST_KEY_BYTES} bytes or more`);
    }
    this.#key = Buffer.from(key);
    this.id = createHmac('sha256', this.#key).update('proxmox-mcp audit key').digest('hex').slice(0, 8);
  }

  mac(body: Buffer | string): string {
    return `${this.id}:${createHmac('sha256', this.#key).update(body).digest('hex')}`;
  }
}

/** The id of the key that made a hash; undefined where it needed none. */
export function keyIdOf(hash: string): string | undefined {
  return hash.length > GENESIS.length ? hash.slice(0, 8) : undefined;
}

/** SHA-256 over a line's text without its hash; with a key HMAC-SHA-256, and the key's id in front. */
export function hashOf(body: Buffer | string, key: AuditKey | undefined): string {
  return key === undefined ? hash('sha256', body, 'hex') : key.mac(body);
}

/**
 * Makes the next line of a chain.
 *
 * @param time epoch milliseconds
 * @param fragment what the line says, as `fragmentOf` writes it
 * @returns the line with its line break, and the head that it makes
 */
export function nextLine(
  head: Head,
  time: number,
  fragment: string,
  key: AuditKey | undefined,
): { text: string; head: Head } {
  const seq = head.seq + 1;
  const start = `{"seq":${seq},"time":"${new Date(time).toISOString()}","prev":"${head.hash}",${fragment}`;
  const hash = hashOf(`${start}}`, key);
  return { text: `${start},"hash":"${hash}"}\n`, head: { seq, hash } };
}

/** The members of a line beside those of the chain, without the braces. */
export function fragmentOf(kind: LineKind, fields: Readonly<Record<string, unknown>>): string {
  const members = JSON.stringify(fields).slice(1, -1);
  return members === '' ? `"kind":"${kind}"` : `"kind":"${kind}",${members}`;
}

/** Reads one line, without its line break. @returns undefined for anything that is no line of a record */
export function parseLine(bytes: Buffer): AuditLine | undefined {
  const at = bytes.lastIndexOf(HASH_MEMBER);
  if (at < 0) return undefined;
  const fields = objectIn(bytes.toString('utf8'));
  if (fields === undefined) return undefined;
  const { seq, time, prev, kind, hash } = fields;
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) return undefined;
  if (typeof time !== 'string' || typeof kind !== 'string' || !isHash(prev) || !isHash(hash))
    return undefined;
  // The hash has to be the last member, or two texts would have the same one.
  if (bytes.toString('latin1', at) !== `,"hash":"${hash}"}`) return undefined;
  const body = Buffer.concat([bytes.subarray(0, at), Buffer.from(CLOSING)]);
  return { seq, time, prev, kind, hash, fields, body };
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && HASH.test(value);
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

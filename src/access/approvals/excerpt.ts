import { createHash } from 'node:crypto';

/** Characters of a value that a plan shows whole. A command may be long, and its end may be what matters. */
export const LONGEST_VALUE = 2000;
const EDGE = 900;

/**
 * A long text as its beginning, its end, its length and its SHA-256, by which a person who has it can tell that it is
 * the same. Never longer than `LONGEST_VALUE`, so that an excerpt is not cut again.
 *
 * @param whole what the digest is made of, where `text` leaves secrets of it out
 */
export function excerpt(text: string, whole: string | Uint8Array = text): string {
  if (text.length <= LONGEST_VALUE) return text;
  const left = text.length - 2 * EDGE;
  const digest = createHash('sha256').update(whole).digest('hex');
  const gap = `[… ${left} OF ${text.length} CHARACTERS NOT SHOWN, SHA-256 OF ALL ${digest} …]`;
  return `${text.slice(0, EDGE)} ${gap} ${text.slice(-EDGE)}`.toWellFormed();
}

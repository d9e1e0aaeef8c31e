import { parseLine } from '../audit/chain.ts';
import { tailOfRecord } from '../audit/follow.ts';
import { CallPairs } from '../audit/search.ts';
import type { AuditTailOptions } from './audit.ts';
import { auditPath, unreadableRecord } from './audit-settings.ts';
import { callText, eventText } from './audit-text.ts';
import { usageError } from './failure.ts';
import { print } from './output.ts';

const MOST_LINES = 100_000;
/** The begin of a call stands this much before its end at most, or the call is not among the last. */
const MOST_BETWEEN = 1000;

/** Prints the last lines as they stand, or the last calls: each in one piece once it has ended. */
export async function runTail({ file, lines, follow, json }: AuditTailOptions): Promise<void> {
  if (lines > MOST_LINES) throw usageError(`--lines must be ${MOST_LINES} or less.`);
  const path = auditPath(file);
  const interrupted = new AbortController();
  if (follow) process.once('SIGINT', () => interrupted.abort()).once('SIGTERM', () => interrupted.abort());
  const shown = new LastShown(json ? Number.POSITIVE_INFINITY : lines);
  const pairs = new CallPairs((call) => shown.add(callText(call)));
  // A call is two lines, and those of others may stand between them.
  const wanted = json ? lines : 2 * lines + MOST_BETWEEN;
  const signal = follow ? interrupted.signal : undefined;
  const onCaughtUp = follow ? () => shown.release() : undefined;
  try {
    for await (const text of tailOfRecord(path, wanted, signal, onCaughtUp)) {
      if (json) print(text);
      else show(text, pairs, shown);
    }
  } catch (error) {
    throw unreadableRecord(error, path);
  }
  pairs.flush();
  shown.release();
}

function show(text: string, pairs: CallPairs, shown: LastShown): void {
  const line = parseLine(Buffer.from(text));
  if (line === undefined) shown.add('A line that can’t be read: see `audit verify`.');
  else {
    pairs.take(line);
    if (line.kind !== 'begin' && line.kind !== 'end') shown.add(eventText(line));
  }
}

/** Holds texts back until it is known which are the last, and prints at once from then on. */
class LastShown {
  readonly #most: number;
  #held: string[] | undefined = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(text: string): void {
    if (this.#held === undefined) print(text);
    else this.#held.push(text);
  }

  release(): void {
    const last = this.#held?.slice(-this.#most) ?? [];
    this.#held = undefined;
    for (const text of last) print(text);
  }
}

import { parseLine } from '../audit/chain.ts';
import { tailOfRecord } from '../audit/follow.ts';
import { CallPairs } from '../audit/search.ts';
import type { AuditTailOptions } from './audit.ts';
import { auditPath, unreadableRecord } from './audit-settings.ts';
import { callText, eventText } from './audit-text.ts';
import { usageError } from './failure.ts';
import { print } from './output.ts';

const MOST_LINES = 100_000;

/** Prints the last lines: as they stand, or each call in one piece once it has ended. */
export async function runTail({ file, lines, follow, json }: AuditTailOptions): Promise<void> {
  if (lines > MOST_LINES) throw usageError(`--lines must be ${MOST_LINES} or less.`);
  const path = auditPath(file);
  const interrupted = new AbortController();
  if (follow) process.once('SIGINT', () => interrupted.abort()).once('SIGTERM', () => interrupted.abort());
  const pairs = new CallPairs((call) => print(callText(call)));
  try {
    for await (const text of tailOfRecord(path, lines, follow ? interrupted.signal : undefined)) {
      if (json) print(text);
      else show(text, pairs);
    }
  } catch (error) {
    throw unreadableRecord(error, path);
  }
  pairs.flush();
}

function show(text: string, pairs: CallPairs): void {
  const line = parseLine(Buffer.from(text));
  if (line === undefined) print('A line that can’t be read: see `audit verify`.');
  else if (line.kind === 'begin' || line.kind === 'end') pairs.take(line);
  else {
    pairs.take(line);
    print(eventText(line));
  }
}

import { type AuditLine, parseLine } from './chain.ts';
import { linesOf, type Place, type RecordFiles } from './lines.ts';
import type { BrokenChain, Damage, Finding } from './verify.ts';

/** What the rest of the record knows of a broken place; found by reading all of it once more. */
interface Elsewhere {
  /** Another place where this very line stands. */
  copy: Place | undefined;
  /** Where the line that belongs here stands. */
  successor: Place | undefined;
  /** Whether another line has the number of this one. */
  hasRival: boolean;
}

/** Names what was done to a record at the first place where its chain does not hold. */
export async function diagnose(files: RecordFiles, broken: BrokenChain): Promise<Finding> {
  const { kind, line, next, expected, at } = broken;
  const isNextOurs = next !== undefined && next.prev === expected.hash && next.seq === expected.seq + 1;
  if (line === undefined || kind !== 'link') {
    if (isNextOurs)
      return found('inserted', at, 'This line is not part of the chain, which goes on behind it.');
    return found('altered', at, ALTERED[kind]);
  }
  const { copy, successor, hasRival } = await elsewhere(files, broken, line);
  const number = `number ${line.seq}`;
  if (copy !== undefined) {
    return found('duplicated', at, `This is ${number} again, which also stands at ${inWords(copy)}.`);
  }
  if (broken.before !== undefined && line.prev === broken.before.prev) return sibling(broken, line);
  if (isNextOurs && (hasRival || line.seq <= expected.seq + 1 || line.prev === expected.hash)) {
    return found('inserted', at, 'This line is not part of the chain, which goes on behind it.');
  }
  if (line.prev === expected.hash) {
    return found('altered', at, `This line follows number ${expected.seq} and calls itself ${number}.`);
  }
  if (line.seq <= expected.seq) {
    return found('inserted', at, `This line calls itself ${number}, which stands before it already.`);
  }
  if (line.seq === expected.seq + 1) return relinked(broken, line);
  if (successor !== undefined) {
    const message = `Number ${line.seq} stands here, where number ${expected.seq + 1} belongs, which stands at ${inWords(successor)}.`;
    return found('moved', at, message);
  }
  return missing(broken, line);
}

const ALTERED: Record<BrokenChain['kind'], string> = {
  unreadable: 'This is no line of an audit record: it was altered, or put here.',
  body: 'The text of this line does not fit its hash: it was altered.',
  unkeyed:
    'This line is not keyed, and those before it are: it was altered, or put here by someone without the key.',
  link: 'This line does not follow the one before.',
};

function missing({ at, expected }: BrokenChain, line: AuditLine): Finding {
  const first = expected.seq + 1;
  const last = line.seq - 1;
  const numbers = first === last ? `number ${first}` : `the numbers ${first} to ${last}`;
  return found(
    'missing',
    at,
    `Before this line, number ${line.seq}, ${numbers} ${first === last ? 'is' : 'are'} missing.`,
  );
}

/** Two lines that both name the same one before them: the chain goes on from the true one. */
function sibling({ before, at, next }: BrokenChain, line: AuditLine): Finding {
  const message =
    'This line stands in the place of another, and its hash was made to fit: the chain does not go on from it.';
  return before !== undefined && next?.prev === line.hash
    ? found('inserted', before.at, message)
    : found('inserted', at, message);
}

/** The right number, and not the right line before it: one of the two was altered, and its hash made to fit. */
function relinked({ before, at, next }: BrokenChain, line: AuditLine): Finding {
  const isLinked = next === undefined || next.prev === line.hash;
  return before !== undefined && isLinked
    ? found(
        'altered',
        before.at,
        'This line was altered and its hash made to fit: the next line knows another one.',
      )
    : found(
        'altered',
        at,
        'This line does not follow the one before: it was altered, and its hash made to fit.',
      );
}

async function elsewhere(
  files: RecordFiles,
  { at, expected }: BrokenChain,
  line: AuditLine,
): Promise<Elsewhere> {
  const result: Elsewhere = { copy: undefined, successor: undefined, hasRival: false };
  for await (const { file, line: number, bytes, finished } of linesOf(files)) {
    const other = finished ? parseLine(bytes) : undefined;
    if (other === undefined || (file === at.file && number === at.line)) continue;
    const place = { file, line: number };
    if (other.hash === line.hash) result.copy ??= place;
    if (other.prev === expected.hash && other.seq === expected.seq + 1) result.successor ??= place;
    if (other.seq === line.seq) result.hasRival = true;
  }
  return result;
}

function found(damage: Damage, { file, line }: Place, message: string): Finding {
  return { damage, file, line, message };
}

function inWords({ file, line }: Place): string {
  return `${file}:${line}`;
}

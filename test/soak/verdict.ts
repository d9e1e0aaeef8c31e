import type { Reading, SoakReport } from './soak.ts';

/** Refusals of the protocol that the work provokes on purpose. */
const PROVOKED = /nonexistent_tool|Unknown tool|Invalid params|Input validation/i;
const HEAP_GROWTH = 0.1;
/** Room for what is there now and gone in a moment: a probe's socket, a task's timer. */
const SPARE = 8;

/** What is wrong with a run, a line each; none where all is well. */
export function problemsOf(report: SoakReport): string[] {
  const { calls, outcomes, doubled, errors, readings } = report;
  const problems: string[] = [];
  if (calls.begun !== calls.ended) problems.push(`${calls.begun - calls.ended} calls were never answered`);
  for (const [outcome, count] of Object.entries(outcomes)) {
    if (outcome === 'INTERNAL' || outcome === 'an error without a code')
      problems.push(`${count}x ${outcome}`);
    if (outcome.startsWith('refused: ') && !PROVOKED.test(outcome)) problems.push(`${count}x ${outcome}`);
  }
  if (doubled.length > 0) problems.push(`sent more than once: ${doubled.join(', ')}`);
  if (errors.length > 0) problems.push(`${errors.length} errors in the log, the first: ${errors[0]}`);
  const last = readings.at(-1);
  if (last && last.unhandled > 0) problems.push(`${last.unhandled} rejections that nobody handled`);
  return [...problems, ...growth(readings)];
}

/** The first bout fills caches: what is held after it is what later bouts are held against. */
function growth(readings: readonly Reading[]): string[] {
  const later = readings.slice(1);
  const half = Math.floor(later.length / 2);
  if (half < 1) return [];
  const early = later.slice(0, half);
  const late = later.slice(-half);
  const least = (of: (reading: Reading) => number, among: readonly Reading[]) => Math.min(...among.map(of));
  const problems: string[] = [];
  const heap = [least(({ heapUsed }) => heapUsed, early), least(({ heapUsed }) => heapUsed, late)] as const;
  if (half > 1 && heap[1] > heap[0] * (1 + HEAP_GROWTH)) {
    problems.push(`the heap grew from ${heap[0]} to ${heap[1]} bytes`);
  }
  const held: Record<string, (reading: Reading) => number> = {
    files: ({ files }) => files,
    timers: ({ resources }) => resources.Timeout ?? 0,
    sockets: ({ resources }) => (resources.TCPSocketWrap ?? 0) + (resources.TLSSocketWrap ?? 0),
  };
  for (const [name, of] of Object.entries(held)) {
    const [before, after] = [least(of, early), least(of, late)];
    if (after > before + SPARE) problems.push(`${name} grew from ${before} to ${after}`);
  }
  return problems;
}

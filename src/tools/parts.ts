import { z } from 'zod';
import { toCallError } from '../proxmox/errors.ts';
import { someOf } from './fleet.ts';

/** What could not be read of an answer made of several reads, and why. */
export const unreadField = z.array(z.object({ part: z.string(), problem: z.string() })).optional();

type Unread = NonNullable<z.output<typeof unreadField>>;

/**
 * Reads several parts of an answer at once; one that fails costs itself alone, and is named.
 *
 * @throws what the first part failed with, where each did; the signal's reason
 */
export async function readParts<Parts extends Record<string, unknown>>(
  readers: { [Name in keyof Parts]?: () => Promise<Parts[Name]> },
  signal: AbortSignal,
): Promise<{ parts: Partial<Parts>; unread?: Unread }> {
  const names = Object.keys(readers);
  const work: (() => Promise<unknown>)[] = Object.values(readers).filter((reader) => reader !== undefined);
  const outcomes = await Promise.allSettled(work.map((reader) => reader()));
  signal.throwIfAborted();
  const parts: Record<string, unknown> = {};
  const unread: Unread = [];
  for (const [index, outcome] of outcomes.entries()) {
    const name = names[index] ?? '';
    if (outcome.status === 'fulfilled') parts[name] = outcome.value;
    else unread.push({ part: name, problem: problemOf(outcome.reason) });
  }
  const [first] = outcomes;
  if (unread.length === names.length && first?.status === 'rejected') throw first.reason;
  return { parts: parts as Partial<Parts>, ...(unread.length === 0 ? {} : { unread }) };
}

function problemOf(reason: unknown): string {
  const { code, message, hint } = toCallError(reason);
  // Which right is missing, and how to give it, stands in the hint.
  return `${code}: ${message}${code === 'PERMISSION_DENIED' ? ` ${hint}` : ''}`;
}

/** `Without updates (PERMISSION_DENIED).`, for the text of an answer; empty where nothing is missing. */
export function withoutUnread(unread: Unread | undefined): string {
  if (unread === undefined) return '';
  return ` Without ${someOf(unread.map(({ part, problem }) => `${part} (${problem.split(':')[0]})`))}.`;
}

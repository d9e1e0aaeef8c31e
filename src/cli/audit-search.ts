import { type SearchResult, searchRecord } from '../audit/search.ts';
import { RISKS } from '../catalogue/types.ts';
import { matchesWildcard } from '../config/wildcard.ts';
import { ERROR_CODE_NAMES } from '../proxmox/errors.ts';
import type { AuditSearchOptions } from './audit.ts';
import { auditPath, unreadableRecord } from './audit-settings.ts';
import { callText } from './audit-text.ts';
import { usageError } from './failure.ts';
import { print, printAside, printJson } from './output.ts';

const MOST_SHOWN = 10_000;
const OUTCOMES = ['ok', 'none', 'cancelled', 'NOT_SENT', ...ERROR_CODE_NAMES];
const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Prints the calls that fit. */
export async function runSearch({
  file,
  json,
  limit,
  oldestFirst,
  ...wanted
}: AuditSearchOptions): Promise<void> {
  if (limit > MOST_SHOWN) throw usageError(`--limit must be ${MOST_SHOWN} or less.`);
  checkOneOf('--risk', wanted.risk, RISKS);
  checkOneOf('--outcome', wanted.outcome, OUTCOMES);
  const path = auditPath(file);
  const { path: glob, since, until, ...exact } = wanted;
  const filter = {
    ...exact,
    ...(glob === undefined ? {} : { path: (called: string) => matchesWildcard(glob, called) }),
    since: readTime(since, '--since', Date.now()),
    until: readTime(until, '--until', Date.now()),
  };
  const newestFirst = oldestFirst !== true;
  const result = await searchRecord({ path, filter, limit, newestFirst }).catch((error: unknown) => {
    throw unreadableRecord(error, path);
  });
  if (json) return printJson(result);
  for (const call of result.calls) print(callText(call));
  printAside(summary(result, newestFirst));
}

/** A misspelt one would find nothing, which reads as if nothing had happened. @throws CliError */
function checkOneOf(option: string, value: string | undefined, known: readonly string[]): void {
  if (value === undefined || known.includes(value)) return;
  throw usageError(
    `${option} ${JSON.stringify(value)} is none that there is.`,
    `Give one of: ${known.join(', ')}.`,
  );
}

function summary({ total, calls, unreadable }: SearchResult, newestFirst: boolean): string {
  const which = newestFirst ? 'newest' : 'oldest';
  const found = total > calls.length ? `The ${which} ${calls.length} of ${total} calls.` : `Calls: ${total}.`;
  return unreadable === 0 ? found : `${found} Lines that can't be read: ${unreadable}; see \`audit verify\`.`;
}

/**
 * Reads `90m`, `24h`, `7d` as a time before now, or a time in ISO 8601.
 *
 * @returns epoch milliseconds
 * @throws CliError for anything else
 */
function readTime(text: string | undefined, option: string, now: number): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(text.trim()) ?? [];
  if (digits !== undefined) return now - Number(digits) * UNITS[unit as keyof typeof UNITS];
  const time = /^\d{4}-\d\d-\d\d/.test(text.trim()) ? Date.parse(text.trim()) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw usageError(
    `${option} ${JSON.stringify(text)} is no time.`,
    'Give 90m, 24h or 7d for so long ago, or a time such as 2026-11-21T08:00:00Z.',
  );
}

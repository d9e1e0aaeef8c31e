import { usageError } from './failure.ts';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const LONGEST_SECONDS = 365 * SECONDS.d;

/**
 * Reads `90s`, `45m`, `12h` or `30d`.
 *
 * @param option the option that it was given with, for the message
 * @param least seconds
 * @returns seconds, up to a year
 */
export function readDuration(option: string, text: string, least: 0 | 1): number {
  const [, digits, unit] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? [];
  const seconds = Number(digits) * (SECONDS[unit as keyof typeof SECONDS] ?? Number.NaN);
  if (Number.isInteger(seconds) && seconds >= least && seconds <= LONGEST_SECONDS) return seconds;
  throw usageError(
    `${option} ${JSON.stringify(text)} can't be used.`,
    'Give 90s, 45m, 12h or 30d; at most 365d.',
  );
}

/** An instant as people and programs read it. @param seconds since the epoch */
export function instant(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

import type { VmidRange } from './config.ts';

/** What PVE's `pve-vmid` takes. */
const LOWEST = 100;
const HIGHEST = 999_999_999;

/**
 * Reads VMIDs as an operator writes them: `100`, `"100"`, `"100-199"`, `"100-199, 300"`, or a list of these.
 *
 * @returns ranges in ascending order; what overlaps or touches is one range
 * @throws Error that says what is wrong with which part
 */
export function parseVmids(value: number | string | readonly (number | string)[]): VmidRange[] {
  const given = typeof value === 'object' ? value : [value];
  const parts = given.flatMap((part) => String(part).split(','));
  if (parts.length === 0) throw new Error('is empty; give VMIDs such as 100-199');
  return merged(parts.map((part) => parseRange(part.trim())));
}

/** `100-199, 300`, which `parseVmids` reads back. */
export function formatVmids(ranges: readonly VmidRange[]): string {
  return ranges.map(formatVmidRange).join(', ');
}

/** `100-199`, or `300` for a single one. */
export function formatVmidRange({ from, to }: VmidRange): string {
  return from === to ? String(from) : `${from}-${to}`;
}

function parseRange(part: string): VmidRange {
  const shown = JSON.stringify(part.slice(0, 40));
  const match = /^(\d{1,9})(?:\s*-\s*(\d{1,9}))?$/.exec(part);
  if (match === null) throw new Error(`holds ${shown}, which is no VMID and no range such as 100-199`);
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  if (from < LOWEST) throw new Error(`holds ${shown}; VMIDs are from ${LOWEST} to ${HIGHEST}`);
  if (to < from) throw new Error(`holds ${shown}, whose end is before its beginning`);
  return { from, to };
}

function merged(ranges: readonly VmidRange[]): VmidRange[] {
  const result: VmidRange[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last === undefined || from > last.to + 1) result.push({ from, to });
    else last.to = Math.max(last.to, to);
  }
  return result;
}

import { z } from 'zod';
import { bound } from './bounded.ts';
import { comparePositions, cursorParam, type Position, readCursor, writeCursor } from './cursor.ts';
import type { FleetFailure } from './fleet.ts';
import { fieldsParam, limitParam } from './params.ts';
import { fieldsNowhere, rowsOf } from './results.ts';

/** What rows and what is told beside them may take together, in characters of JSON. */
const MOST_CHARACTERS = 50_000;
const LEAST_CHARACTERS = 10_000;

/** What a list is asked for beside its filters, whatever it lists; `limit` is `fallback` where it is absent. */
export function listParams(fallback: number, most: number) {
  return { cursor: cursorParam, fields: fieldsParam, limit: limitParam(fallback, most) };
}

/** What a list that goes on says at its end. */
export const pagingFields = {
  next_cursor: z.string().optional().describe('Pass as `cursor` for the rest.'),
  note: z.string().optional(),
};

/** `, showing 50; go on with next_cursor`, behind how many there are; empty where all are shown. */
export function showing(
  shown: readonly unknown[],
  answer: { total: number; next_cursor?: string | undefined },
) {
  const { total, next_cursor } = answer;
  const part = shown.length < total ? `, showing ${shown.length}` : '';
  return `${part}${next_cursor === undefined ? '' : '; go on with next_cursor'}`;
}

/** The rows of one cluster, in any order. */
export interface Source<Row> {
  cluster: string;
  rows: readonly Row[];
}

/** What decides where a row stands in a list. */
export interface Order<Row> {
  /** What the list is sorted by; null where the row has no such value. */
  value(row: Row, cluster: string): string | number | null;
  /** Unlike that of every other row of its cluster. */
  id(row: Row): string;
  descending: boolean;
}

/** A row that is on the page, and where it stands. */
interface Placed<Row, From> extends Position {
  row: Row;
  source: From;
}

export interface Paging {
  /** The arguments of the call: the cursor belongs to them. */
  args: Readonly<Record<string, unknown>> & {
    cursor?: string | undefined;
    limit: number;
    fields?: readonly string[] | undefined;
  };
  /** Rows name their cluster, whatever `fields` says. */
  isAll: boolean;
  /** Every field that a row may have, where that is known: these are not misspelt, whatever this page holds. */
  columns?: readonly string[] | undefined;
  /** What the answer holds beside the rows, for its size. */
  beside: { failed?: readonly FleetFailure[] | undefined; totals?: readonly unknown[] | undefined };
}

export interface Page {
  rows: Record<string, unknown>[];
  next_cursor?: string;
  /** Says so where a field that was asked for is nowhere. */
  note?: string;
}

/**
 * Gives the rows that follow the cursor. The order is total, so that each row that stays comes exactly once, whatever
 * comes and goes between two pages.
 *
 * @param shown makes what the answer holds of a row; called for the rows of this page alone
 * @throws CallError INVALID_ARGUMENTS for a cursor that does not fit
 */
export function pageOf<Row, From extends Source<Row>>(
  sources: readonly From[],
  order: Order<Row>,
  { args, isAll, columns, beside }: Paging,
  shown: (row: Row, source: From) => Record<string, unknown>,
): Page {
  const query = queryOf(args);
  const after = args.cursor === undefined ? undefined : readCursor(query, args.cursor);
  const { first, more } = firstOf<Row, From>(sources, order, args.limit, after);
  const made = first.map(({ row, source, cluster }) =>
    isAll ? { cluster, ...shown(row, source) } : shown(row, source),
  );
  const fields = isAll && args.fields ? [...new Set(['cluster', ...args.fields])] : args.fields;
  const most = Math.max(LEAST_CHARACTERS, MOST_CHARACTERS - JSON.stringify(beside).length);
  const rows = rowsOf(bound(made, { fields }, most).data);
  const last = first[rows.length - 1];
  const goesOn = (more || rows.length < first.length) && last !== undefined;
  const note = fieldsNowhere(made, args.fields, columns);
  return {
    rows,
    ...(goesOn ? { next_cursor: writeCursor(query, last) } : {}),
    ...(note === undefined ? {} : { note }),
  };
}

/** @throws CallError INVALID_ARGUMENTS for a cursor that does not fit; for tools that ask much before they page */
export function checkCursor(args: Paging['args']): void {
  if (args.cursor !== undefined) readCursor(queryOf(args), args.cursor);
}

/** What decides which rows there are and in which order: neither how many, nor how they are shown. */
function queryOf(args: Paging['args']): unknown {
  const { cursor: _cursor, limit: _limit, fields: _fields, fresh: _fresh, ...query } = args;
  return Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * The first `limit` rows after a position, sorted. Sorting all of 20,000 rows for 50, or only making an object for each,
 * would take most of the call.
 */
function firstOf<Row, From extends Source<Row>>(
  sources: readonly From[],
  order: Order<Row>,
  limit: number,
  after: Position | undefined,
): { first: Placed<Row, From>[]; more: boolean } {
  const first: Placed<Row, From>[] = [];
  const here: Position = { value: null, cluster: '', id: '' };
  const { descending } = order;
  let more = false;
  for (const source of sources) {
    here.cluster = source.cluster;
    for (const row of source.rows) {
      here.value = order.value(row, source.cluster);
      here.id = order.id(row);
      if (after !== undefined && comparePositions(here, after, descending) <= 0) continue;
      const worst = first[limit - 1];
      if (worst !== undefined) {
        more = true;
        if (comparePositions(here, worst, descending) >= 0) continue;
        first.pop();
      }
      first.splice(placeOf(here, first, descending), 0, { ...here, row, source });
    }
  }
  return { first, more };
}

function placeOf(row: Position, sorted: readonly Position[], descending: boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = sorted[middle];
    if (other !== undefined && comparePositions(row, other, descending) >= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

import { z } from 'zod';
import { bound } from './bounded.ts';
import { comparePositions, cursorParam, type Position, readCursor, writeCursor } from './cursor.ts';
import type { FleetFailure } from './fleet.ts';
import { fieldsNowhere, rowsOf } from './results.ts';

/** What rows and what is told beside them may take together, in characters of JSON. */
const MOST_CHARACTERS = 50_000;
const LEAST_CHARACTERS = 10_000;

export const pagingParams = {
  descending: z.boolean().default(false),
  cursor: cursorParam,
};

/** What a list that goes on says at its end. */
export const pagingFields = {
  next_cursor: z.string().optional().describe('Pass as `cursor` for the rest.'),
  note: z.string().optional(),
};

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
interface Placed<Row> extends Position {
  row: Row;
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
export function pageOf<Row>(
  sources: readonly Source<Row>[],
  order: Order<Row>,
  { args, isAll, columns, beside }: Paging,
  shown: (row: Row, cluster: string) => Record<string, unknown>,
): Page {
  const query = queryOf(args);
  const after = args.cursor === undefined ? undefined : readCursor(query, args.cursor);
  const { first, more } = firstOf(sources, order, args.limit, after);
  const made = first.map(({ row, cluster }) =>
    isAll ? { cluster, ...shown(row, cluster) } : shown(row, cluster),
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
function firstOf<Row>(
  sources: readonly Source<Row>[],
  order: Order<Row>,
  limit: number,
  after: Position | undefined,
): { first: Placed<Row>[]; more: boolean } {
  const first: Placed<Row>[] = [];
  const here: Position = { value: null, cluster: '', id: '' };
  const { descending } = order;
  let more = false;
  for (const { cluster, rows } of sources) {
    here.cluster = cluster;
    for (const row of rows) {
      here.value = order.value(row, cluster);
      here.id = order.id(row);
      if (after !== undefined && comparePositions(here, after, descending) <= 0) continue;
      const worst = first[limit - 1];
      if (worst !== undefined) {
        more = true;
        if (comparePositions(here, worst, descending) >= 0) continue;
        first.pop();
      }
      first.splice(placeOf(here, first, descending), 0, { ...here, row });
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

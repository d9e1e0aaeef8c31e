import { z } from 'zod';
import type { GatedCluster } from '../access/gate.ts';
import { type Order, type Paging, pageOf, pagingFields } from './paging.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from './params.ts';
import { noted } from './results.ts';

type Row = Readonly<Record<string, unknown>>;

const BY_NAME: Order<Row> = {
  value: ({ name }) => String(name),
  id: ({ name }) => String(name),
  descending: false,
};

/** What a list of one of several kinds of a cluster is asked for, beside `listParams`. */
export function kindParams<const Kinds extends readonly string[]>(kinds: Kinds) {
  return { cluster: clusterParam, kind: z.enum(kinds), name: textParam().optional() };
}

/** What it answers; `kindPage` gives it. */
export function kindFields<const Kinds extends readonly string[]>(kinds: Kinds) {
  return {
    ...selectedFields,
    kind: z.enum(kinds),
    rows: z.array(z.record(z.string(), z.unknown())),
    total: z.int(),
    ...pagingFields,
  };
}

/**
 * One page of the rows of a kind, by `name`.
 *
 * @param problem what could not be read of them
 * @throws CallError INVALID_ARGUMENTS for a cursor that does not fit
 */
export function kindPage<Kind extends string>(
  cluster: GatedCluster,
  args: Paging['args'] & { kind: Kind },
  all: readonly Row[],
  problem: string | undefined,
) {
  const { rows, next_cursor, note } = pageOf(
    [{ cluster: cluster.name, rows: all }],
    BY_NAME,
    { args, isAll: false, beside: {} },
    (row) => row,
  );
  return {
    ...selectionOf(cluster),
    kind: args.kind,
    rows,
    total: all.length,
    ...(next_cursor === undefined ? {} : { next_cursor }),
    ...noted(note, problem),
  };
}

import { z } from 'zod';
import type { GatedCluster } from '../access/gate.ts';
import type { Inventory } from '../clusters/inventory.ts';
import type { ApiCall, Fleet, ToolContext } from './define.ts';
import { askFleet, type FleetAnswer, type FleetFailure, fleetSelection, someOf } from './fleet.ts';
import { checkCursor, listParams, type Order, type Paging, pageOf, pagingFields } from './paging.ts';
import { switchParam } from './params.ts';
import { isoTime, noted } from './results.ts';

/** Asks now; else figures may be 10 s old. */
export const freshParam = switchParam();

/** What every list from inventories is asked for beside `cluster` and its filters. */
export function inventoryParams(fallback: number, most: number) {
  return { descending: switchParam(), ...listParams(fallback, most), fresh: freshParam };
}

/**
 * What every list from inventories ends with.
 *
 * @param totals what `clusters` tells of each cluster, beside its name and when it was asked
 * @param meaning of these totals, where their names don't say it
 */
export function inventoryFields<Totals extends z.core.$ZodLooseShape>(totals: Totals, meaning?: string) {
  const clusters = z.array(z.object({ cluster: z.string(), ...totals, as_of: z.string() })).optional();
  return {
    clusters: meaning === undefined ? clusters : clusters.describe(meaning),
    as_of: z.string().describe('When Proxmox was asked; with several clusters, the oldest.'),
    ...pagingFields,
  };
}

/** What asking for inventories may call. */
export const INVENTORY_CALLS = [
  ['GET', '/cluster/resources'],
  ['GET', '/access/permissions'],
] as const satisfies readonly ApiCall[];

interface InventoryArgs extends Readonly<Paging['args']> {
  cluster?: string | undefined;
  descending: boolean;
  fresh: boolean;
}

/** Asks one cluster; the signal ends with the call, or with the deadline of a search of all. */
export type Ask<Answer> = (
  cluster: GatedCluster,
  options: { fresh: boolean; signal: AbortSignal },
) => Promise<Answer>;

/** What one cluster told. */
export interface Told {
  inventory: Inventory;
  /** Its token has no rights at all: that lists are empty says nothing. */
  seesNothing: boolean;
}

/** @throws CallError as `askFleet` does */
export function askInventories(
  fleet: Fleet,
  context: ToolContext,
  fresh: boolean,
): Promise<{ answers: FleetAnswer<Told>[]; failed: FleetFailure[] }> {
  return askFleet(fleet, context, (cluster, signal) => tell(cluster, { fresh, signal }));
}

/** @throws CallError */
export const tell: Ask<Told> = async (cluster, options) => {
  const inventory = await cluster.inventory(options);
  return { inventory, seesNothing: await seesNothing(cluster, inventory) };
};

/** Says whose lists are empty for lack of rights; undefined where nobody's are. */
export function nothingSeen(answers: readonly FleetAnswer<Told>[]): string | undefined {
  const blind = answers.filter(({ answer }) => answer.seesNothing).map(({ cluster }) => cluster.name);
  if (blind.length === 0) return undefined;
  return `The token of ${someOf(blind)} has no privileges at all, so Proxmox shows it nothing. PVEAuditor on / is enough to read: pveum acl modify / --tokens USER@REALM!NAME --roles PVEAuditor.`;
}

/**
 * A token with too few rights gets an empty list, not an error (facts: API tokens): nodes by name, and nothing on
 * them. A new cluster looks the same but for the token's rights.
 */
async function seesNothing(cluster: GatedCluster, { rows }: Inventory): Promise<boolean> {
  // What a fallback answered says nothing about this cluster's token.
  if (cluster.servedBy !== undefined || rows.some((row) => row.type !== 'node')) return false;
  return Object.keys(await cluster.permissions()).length === 0;
}

/** How a list is made of inventories. */
export interface InventoryView<Answer extends Told, Row, Totals> {
  /** The rows of one cluster that are listed, in any order. */
  rowsOf(answer: Answer): readonly Row[];
  /** What is told of a cluster beside its name and `as_of`; `inventoryFields` gives the schema. */
  totalsOf(rows: readonly Row[], inventory: Inventory): Totals;
  order: Omit<Order<Row>, 'descending'>;
  /** Every field that a row may have, where that is known. */
  columns?: readonly string[];
  /** What the answer holds of a row; called for the rows of one page alone. */
  shown(row: Row, answer: Answer): Record<string, unknown>;
  /** What is to be noted once all is read. @param total how many rows there are in all */
  notes?(answers: readonly FleetAnswer<Answer>[], total: number): readonly (string | undefined)[];
}

/**
 * Answers a list tool: asks the clusters, filters, sorts and pages. The tool gives `rows` a name and spreads the rest.
 *
 * @param ask `tell`, or what asks a cluster for more than its inventory
 * @throws CallError as `askFleet` does; INVALID_ARGUMENTS for a cursor that does not fit, before anything is asked
 */
export async function inventoryPage<Answer extends Told, Row, Totals extends object>(
  args: InventoryArgs,
  context: ToolContext,
  ask: Ask<Answer>,
  view: InventoryView<Answer, Row, Totals>,
) {
  checkCursor(args);
  const fleet = context.fleet(args.cluster);
  const { answers, failed } = await askFleet(fleet, context, (cluster, signal) =>
    ask(cluster, { fresh: args.fresh, signal }),
  );
  const sources = answers.map(({ cluster, answer }) => ({
    cluster: cluster.name,
    answer,
    rows: view.rowsOf(answer),
  }));
  const clusters = sources.map(({ cluster, answer: { inventory }, rows }) => ({
    cluster,
    ...view.totalsOf(rows, inventory),
    as_of: isoTime(inventory.asOf),
  }));
  const total = sources.reduce((sum, { rows }) => sum + rows.length, 0);
  const { rows, next_cursor, note } = pageOf(
    sources,
    { ...view.order, descending: args.descending },
    { args, isAll: fleet.isAll, columns: view.columns, beside: { failed, totals: clusters } },
    (row, { answer }) => view.shown(row, answer),
  );
  return {
    rows,
    ...fleetSelection(fleet, failed),
    total,
    ...(fleet.isAll ? { clusters } : {}),
    as_of: isoTime(Math.min(...answers.map(({ answer }) => answer.inventory.asOf))),
    ...(next_cursor === undefined ? {} : { next_cursor }),
    ...noted(nothingSeen(answers), ...(view.notes?.(answers, total) ?? []), note),
  };
}

/** The names of the guests by VMID; a guest without a name has none. */
export function guestNames({ guests }: Inventory): ReadonlyMap<number, string | undefined> {
  return new Map(guests.map(({ vmid, name }) => [vmid, name]));
}

import { z } from 'zod';
import type { GatedCluster } from '../access/gate.ts';
import type { Inventory } from '../clusters/inventory.ts';
import type { Fleet, ToolContext } from './define.ts';
import { askFleet, type FleetAnswer, type FleetFailure, fleetSelection, someOf } from './fleet.ts';
import type { Page, Source } from './paging.ts';

export const freshParam = z.boolean().default(false).describe('Ask now; else figures may be 10 s old.');

/** Beside `fleetFields`, what every answer from inventories holds. */
export const asOfField = {
  as_of: z.string().describe('When Proxmox was asked; with several clusters, the oldest.'),
};

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
export async function tell(
  cluster: GatedCluster,
  options: { fresh: boolean; signal: AbortSignal },
): Promise<Told> {
  const inventory = await cluster.inventory(options);
  return { inventory, seesNothing: await seesNothing(cluster, inventory) };
}

/** The oldest of the answers, as it is told. */
function asOf(answers: readonly FleetAnswer<Told>[]): { as_of: string } {
  return { as_of: isoTime(Math.min(...answers.map(({ answer }) => answer.inventory.asOf))) };
}

/** @param milliseconds since the epoch */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Says whose lists are empty for lack of rights; undefined where nobody's are. */
export function nothingSeen(answers: readonly FleetAnswer<Told>[]): string | undefined {
  const blind = answers.filter(({ answer }) => answer.seesNothing).map(({ cluster }) => cluster.name);
  if (blind.length === 0) return undefined;
  return `The token of ${someOf(blind)} has no privileges at all, so Proxmox shows it nothing. PVEAuditor on / is enough to read: pveum acl modify / --tokens USER@REALM!NAME --roles PVEAuditor.`;
}

/** Joins what is to be noted; no member where nothing is. */
export function noted(...notes: (string | undefined)[]): { note?: string } {
  const note = notes.filter((text) => text !== undefined).join(' ');
  return note === '' ? {} : { note };
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

/** The rows of all answers, for a page of them. */
export function sourcesOf<Row>(
  answers: readonly FleetAnswer<Told>[],
  rowsOf: (inventory: Inventory, cluster: string) => readonly Row[],
): Source<Row>[] {
  return answers.map(({ cluster: { name: cluster }, answer: { inventory } }) => ({
    cluster,
    rows: rowsOf(inventory, cluster),
  }));
}

/** How many rows there are in all. */
function totalOf(sources: readonly Source<unknown>[]): number {
  return sources.reduce((total, { rows }) => total + rows.length, 0);
}

/** What every page of an inventory holds beside its rows. */
export function besideRows<Totals>(
  fleet: Fleet,
  { answers, failed }: { answers: readonly FleetAnswer<Told>[]; failed: readonly FleetFailure[] },
  { sources, clusters }: { sources: readonly Source<unknown>[]; clusters: Totals[] },
  { next_cursor, note }: Page,
  ...notes: (string | undefined)[]
) {
  return {
    ...fleetSelection(fleet, failed),
    total: totalOf(sources),
    ...(fleet.isAll ? { clusters } : {}),
    ...asOf(answers),
    ...(next_cursor === undefined ? {} : { next_cursor }),
    ...noted(nothingSeen(answers), ...notes, note),
  };
}

import type { GatedCluster } from '../access/gate.ts';
import type { GuestRow, Inventory } from '../clusters/inventory.ts';
import { CallError } from '../proxmox/errors.ts';
import type { ToolContext } from './define.ts';
import { askFleet, type FleetFailure } from './fleet.ts';
import {
  disagreeing,
  type GuestWanted,
  notThere,
  nowhere,
  type PlacedGuest,
  several,
  unsure,
} from './guest-errors.ts';

export interface ResolvedGuest {
  cluster: GatedCluster;
  guest: GuestRow;
  /** When the cluster said so, in epoch milliseconds. */
  asOf: number;
  /** Clusters that a search of all could not ask; empty where it was no search, or where each answered. */
  unasked: readonly FleetFailure[];
}

export interface ResolveOptions {
  /**
   * What a search does that finds the guest in one cluster and could not ask another, which may have one of the same
   * name: `refuse` (the default), or `say`, for what only reads and hands `unasked` on. Where it is `refuse`, no
   * fallback answers for an unreachable cluster.
   */
  uncertain?: 'refuse' | 'say';
}

/** What one cluster knows of the wanted guest. */
interface Found {
  cluster: string;
  /** Fits all that was given. */
  guests: readonly GuestRow[];
  /** Has the name or the VMID, and not the other of the two. */
  others: readonly GuestRow[];
  asOf: number;
}

/**
 * Finds the one guest that is meant. A cluster that is named, or that a pattern or the VMID map selects, is the only
 * one that is looked in; otherwise all are, and the default cluster has no say: a guest is where it is. Names match
 * as a whole, and case does not matter.
 *
 * @throws CallError INVALID_ARGUMENTS where neither name nor VMID is given, where they belong to different guests, or
 *   where one cluster has several guests of that name; CLUSTER_AMBIGUOUS where several clusters have it;
 *   CLUSTER_UNREACHABLE where `uncertain` refuses, or where but a fallback answered and has none; NOT_FOUND
 */
export async function resolveGuest(
  context: ToolContext,
  wanted: GuestWanted,
  options: ResolveOptions = {},
): Promise<ResolvedGuest> {
  if (wanted.name === undefined && wanted.vmid === undefined) {
    throw new CallError('INVALID_ARGUMENTS', 'Neither name nor vmid of a guest is given.', {
      hint: 'Pass `name`, `vmid` or both. Nothing was sent.',
    });
  }
  const since = context.now();
  const claimant = context.claimant(wanted);
  if (claimant === undefined) return searched(context, wanted, since, options);
  // Another cluster's guest of the same name or number is none to act on.
  const cluster = options.uncertain === 'say' ? claimant : claimant.alone();
  const kept = await lookIn(cluster, wanted, false);
  const found = mayBeNews(kept, since) ? await lookIn(cluster, wanted, true) : kept;
  const one = theOne([found], wanted);
  if (one === undefined) throw notThere(cluster, wanted);
  return { cluster, guest: one.guest, asOf: one.asOf, unasked: [] };
}

async function lookIn(cluster: GatedCluster, wanted: GuestWanted, fresh: boolean): Promise<Found> {
  const inventory = await cluster.inventory({ fresh });
  const { name, servedBy } = cluster;
  if (servedBy === undefined) return pick(name, inventory, wanted);
  // That a fallback has the name and the VMID apart says nothing about this cluster.
  return { ...pick(servedBy, inventory, wanted), others: [] };
}

async function searched(
  context: ToolContext,
  wanted: GuestWanted,
  since: number,
  { uncertain = 'refuse' }: ResolveOptions,
): Promise<ResolvedGuest> {
  const { answers, failed } = await lookEverywhere(context, wanted, since);
  const one = theOne(answers, wanted);
  if (one === undefined) throw nowhere(answers.length, failed, wanted);
  const { guest, cluster, asOf } = one;
  if (failed.length > 0 && uncertain === 'refuse') throw unsure(one, failed);
  const holder = context.found(cluster);
  return { cluster: uncertain === 'say' ? holder : holder.alone(), guest, asOf, unasked: failed };
}

/** Asks all at once; where none has it, those again whose answer was an old one. */
async function lookEverywhere(context: ToolContext, wanted: GuestWanted, since: number) {
  const kept = await askFleet(context.fleet(undefined), context, async (cluster, signal) =>
    pick(cluster.name, await cluster.inventory({ signal }), wanted),
  );
  const found = new Map(kept.answers.map(({ cluster, answer }) => [cluster, answer]));
  const parts = [...found.values()];
  if (parts.some(({ guests }) => guests.length > 0) || !parts.some((part) => mayBeNews(part, since))) {
    return { answers: parts, failed: kept.failed };
  }
  const news = await askFleet(
    { clusters: [...found.keys()], isAll: true },
    context,
    async (cluster, signal) => {
      const known = found.get(cluster);
      if (known !== undefined && !mayBeNews(known, since)) return known;
      return pick(cluster.name, await cluster.inventory({ signal, fresh: true }), wanted);
    },
  );
  return { answers: news.answers.map(({ answer }) => answer), failed: [...kept.failed, ...news.failed] };
}

/** What is kept of an inventory may be seconds old, so a guest that is not in it is asked for again. */
function mayBeNews({ guests, asOf }: Found, since: number): boolean {
  return guests.length === 0 && asOf < since;
}

function pick(cluster: string, { guests, asOf }: Inventory, { name, vmid }: GuestWanted): Found {
  const wantedName = name?.toLowerCase();
  const both = name !== undefined && vmid !== undefined;
  const found: GuestRow[] = [];
  const others: GuestRow[] = [];
  for (const guest of guests) {
    const isNamed = wantedName !== undefined && guest.nameLower === wantedName;
    const isNumbered = vmid !== undefined && guest.vmid === vmid;
    if (both ? isNamed && isNumbered : isNamed || isNumbered) found.push(guest);
    else if (isNamed || isNumbered) others.push(guest);
  }
  return { cluster, guests: found, others, asOf };
}

/** @returns undefined where there is none. @throws CallError where there are several, or name and VMID disagree */
function theOne(found: readonly Found[], wanted: GuestWanted): (PlacedGuest & { asOf: number }) | undefined {
  const matches = found.flatMap(({ cluster, guests, asOf }) =>
    guests.map((guest) => ({ cluster, guest, asOf })),
  );
  const [first, ...more] = matches;
  if (first !== undefined && more.length > 0) throw several(matches, wanted);
  const others = found.flatMap(({ cluster, others: guests }) => guests.map((guest) => ({ cluster, guest })));
  if (first === undefined && others.length > 0) throw disagreeing(others, wanted);
  return first;
}

import type { GatedCluster } from '../access/gate.ts';
import type { GuestRow } from '../clusters/inventory.ts';
import { CallError } from '../proxmox/errors.ts';
import { inQuotes, quoted } from '../proxmox/text.ts';
import { type FleetFailure, someOf } from './fleet.ts';
import { whySelected } from './params.ts';

/** A guest as a caller names it: by its name, its VMID or both, in a cluster or anywhere. */
export interface GuestWanted {
  cluster?: string | undefined;
  name?: string | undefined;
  vmid?: number | undefined;
}

/** A guest, and the name of its cluster. */
export interface PlacedGuest {
  cluster: string;
  guest: GuestRow;
}

/** More than one fits: in several clusters, or in one that has two guests of the same name. */
export function several(matches: readonly PlacedGuest[], wanted: GuestWanted): CallError {
  const rows = guestsText(matches);
  if (new Set(matches.map(({ cluster }) => cluster)).size > 1) {
    return new CallError(
      'CLUSTER_AMBIGUOUS',
      `Several clusters have a guest ${wantedText(wanted)}: ${rows}.`,
      {
        hint: 'Say which one is meant: pass `cluster` beside it.',
      },
    );
  }
  return new CallError('INVALID_ARGUMENTS', `There are several guests ${wantedText(wanted)}: ${rows}.`, {
    hint: 'Say which one is meant: pass its `vmid`.',
  });
}

/** @param others the guests that have the name or the VMID, and not both */
export function disagreeing(others: readonly PlacedGuest[], { name, vmid }: GuestWanted): CallError {
  return new CallError(
    'INVALID_ARGUMENTS',
    `The name ${inQuotes(name ?? '')} and the VMID ${vmid} don't belong to one guest: there is ${guestsText(others)}.`,
    { hint: 'Pass only the one of the two that is meant. Nothing was changed.' },
  );
}

/** The one cluster that was looked in does not have it, or its fallback does not. */
export function notThere(cluster: GatedCluster, wanted: GuestWanted): CallError {
  const { name, matched, servedBy } = cluster;
  const guest = `guest ${wantedText(wanted)}`;
  if (servedBy !== undefined) return notKnown(name, servedBy, `a ${guest}`);
  const elsewhere =
    matched === undefined ? '' : ' The other clusters were not asked; pass `cluster` to look in one.';
  return new CallError('NOT_FOUND', `${name} has no ${guest}.${whySelected(cluster)}`, {
    cluster: name,
    hint: `A guest that the cluster's token may not see counts as absent.${lagging(wanted)}${elsewhere}`,
  });
}

/**
 * What an unreachable cluster has is not known, whatever its fallback has.
 *
 * @param what `a guest with VMID 100`
 */
export function notKnown(cluster: string, fallback: string, what: string): CallError {
  return new CallError(
    'CLUSTER_UNREACHABLE',
    `${cluster} can't be reached, so it is not known whether it has ${what}; its fallback ${fallback} has none.`,
    { cluster, hint: `Repeat once ${cluster} answers; cluster_health says what is wrong.` },
  );
}

/** None of the clusters that answered has it. */
export function nowhere(asked: number, failed: readonly FleetFailure[], wanted: GuestWanted): CallError {
  const missing =
    failed.length === 0 ? '' : ` These could not be asked, and may have it: ${clustersText(failed)}.`;
  const parts =
    wanted.name === undefined
      ? ''
      : `${lagging(wanted)} A name has to be given as a whole; find_guests takes a part of one, as in name=*part*.`;
  return new CallError(
    'NOT_FOUND',
    `No guest ${wantedText(wanted)} in ${asked} ${asked === 1 ? 'cluster' : 'clusters'}.${missing}`,
    {
      hint: `A guest that its cluster’s token may not see counts as absent.${parts}`,
      retryable: failed.length > 0,
    },
  );
}

/** Proxmox lists a new guest at once, and its name when the node next tells it. */
function lagging({ name, vmid }: GuestWanted): string {
  if (name === undefined || vmid !== undefined) return '';
  return ' One that was made or renamed seconds ago is found by its VMID.';
}

/** One cluster has it, and another that could not be asked may have one of the same name. */
export function unsure({ cluster, guest }: PlacedGuest, failed: readonly FleetFailure[]): CallError {
  return new CallError(
    'CLUSTER_UNREACHABLE',
    `There is ${guestsText([{ cluster, guest }])}, but these could not be asked, and may have another: ${clustersText(failed)}.`,
    { hint: `If that guest is meant, pass ${JSON.stringify(cluster)} as \`cluster\`. Nothing was changed.` },
  );
}

function clustersText(failed: readonly FleetFailure[]): string {
  return someOf(failed.map(({ cluster, code }) => `${cluster} (${code})`));
}

/** `100 "web" on pve1 of production, 200 "web" on stg1 of staging`. */
function guestsText(guests: readonly PlacedGuest[]): string {
  return someOf(
    guests.map(({ cluster, guest: { vmid, name, node } }) => {
      const named = name === undefined ? '' : ` ${inQuotes(name)}`;
      return `${vmid}${named} on ${quoted(node)} of ${cluster}`;
    }),
  );
}

function wantedText({ name, vmid }: GuestWanted): string {
  const parts = [
    ...(name === undefined ? [] : [`named ${inQuotes(name)}`]),
    ...(vmid === undefined ? [] : [`with VMID ${vmid}`]),
  ];
  return parts.join(' and ');
}

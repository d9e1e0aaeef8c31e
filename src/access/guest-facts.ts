import type { Cluster } from '../clusters/cluster.ts';
import type { GuestRow } from '../clusters/inventory.ts';
import { type GuestCall, guestsOf, type TouchedGuests, touchedGuests } from './policy/guests.ts';
import type { GuestFacts } from './policy/policy.ts';

/**
 * Finds out what rules look at in the guests of a call. For a write the cluster is asked now: who may touch a guest is
 * not decided by what its tags were ten seconds ago.
 *
 * @param isNeeded whether any rule looks at more than the VMID
 * @param made guests that calls before this one make, and that the cluster can't know of yet
 * @throws the signal's reason
 */
export async function guestFacts(
  cluster: Cluster,
  call: GuestCall,
  isNeeded: boolean,
  signal: AbortSignal,
  made?: ReadonlyMap<number, GuestFacts>,
): Promise<TouchedGuests> {
  const guests = guestsOf(call);
  const isAny = guests.vmids.length > 0 || guests.creates?.from !== undefined;
  if (!isNeeded || !isAny) return touchedGuests(guests, () => undefined);
  const known = await knownGuests(cluster, call.method !== 'GET', signal);
  return touchedGuests(guests, (vmid) =>
    known === undefined ? { vmid, tags: [], unknown: true } : (known.get(vmid) ?? made?.get(vmid)),
  );
}

/** By VMID; undefined where the cluster could not be asked: rules then hold at their strictest. */
async function knownGuests(
  cluster: Cluster,
  fresh: boolean,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, GuestFacts> | undefined> {
  try {
    const { guests } = await cluster.inventory({ fresh, signal });
    return new Map(guests.map((row) => [row.vmid, factsOf(row)]));
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

function factsOf({ vmid, name, tags, pool }: GuestRow): GuestFacts {
  return {
    vmid,
    tags,
    // One without statistics yet has no name in the list, and may have one that a rule is about.
    ...(name === undefined ? { unknown: true } : { name }),
    ...(pool === undefined ? {} : { pool }),
  };
}

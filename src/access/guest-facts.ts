import type { Cluster } from '../clusters/cluster.ts';
import type { GuestRow } from '../clusters/inventory.ts';
import type { Ending } from '../proxmox/ending.ts';
import { type GuestCall, guestsOf, type TouchedGuests, touchedGuests } from './policy/guests.ts';
import type { GuestFacts } from './policy/policy.ts';

/** What calls that belong together know of each other. */
export interface Companions {
  /** Guests that those before this one make, or made: the cluster may not know of them yet, or not by name. */
  made?: ReadonlyMap<number, GuestFacts> | undefined;
  /** The answer that all of them are judged by. */
  known?: () => Promise<KnownGuests>;
}

/** By VMID; undefined where the cluster could not be asked: rules then hold at their strictest. */
type KnownGuests = ReadonlyMap<number, GuestFacts> | undefined;

/**
 * Finds out what rules look at in the guests of a call. For a write the cluster is asked now: who may touch a guest is
 * not decided by what its tags were ten seconds ago.
 *
 * @param isNeeded whether any rule looks at more than the VMID
 * @throws the signal's reason
 */
export async function guestFacts(
  cluster: Cluster,
  call: GuestCall,
  isNeeded: boolean,
  signal: Ending,
  { made, known: ask }: Companions = {},
): Promise<TouchedGuests> {
  const guests = guestsOf(call);
  const isAny = guests.vmids.length > 0 || guests.creates?.from !== undefined;
  if (!isNeeded || !isAny) return touchedGuests(guests, () => undefined);
  const known = await (ask?.() ?? knownGuests(cluster, call.method !== 'GET', signal));
  return touchedGuests(guests, (vmid) =>
    known === undefined ? { vmid, tags: [], unknown: true } : placed(known.get(vmid), made?.get(vmid)),
  );
}

/** What the cluster says holds; what it can't say yet of a guest that was just made, is what that was made with. */
function placed(known: GuestFacts | undefined, made: GuestFacts | undefined): GuestFacts | undefined {
  if (known?.unknown !== true || made?.name === undefined || made.unknown) return known ?? made;
  const { unknown: _unnamed, ...rest } = known;
  return { ...rest, name: made.name };
}

/** @param fresh whether an answer of some seconds ago will not do */
export async function knownGuests(cluster: Cluster, fresh: boolean, signal: Ending): Promise<KnownGuests> {
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

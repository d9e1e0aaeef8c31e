import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { rowsOf } from '../results.ts';
import type { Place } from './placement.ts';

/**
 * Looks whether the default bridge of each place's cluster is on its node. Places without it go last, in their order:
 * the guest would not start there. Clusters without a default bridge are not asked.
 *
 * @param places a few: each of their nodes is asked once
 * @returns the places, and what could not be found out
 */
export async function checkBridges(
  places: readonly Place[],
  clusters: readonly GatedCluster[],
  signal: AbortSignal,
): Promise<{ best: Place[]; notes: string[] }> {
  const asked = new Map<string, Promise<readonly string[]>>();
  const looked = await Promise.all(
    places.map(async (place) => {
      const cluster = clusters.find(({ name }) => name === place.cluster);
      const bridge = cluster?.settings.defaultBridge;
      if (cluster === undefined || bridge === undefined) return { place, found: true };
      const key = `${place.cluster}/${place.node}`;
      const bridges = asked.get(key) ?? bridgesOf(cluster, place.node, signal);
      asked.set(key, bridges);
      try {
        return judged(place, bridge, (await bridges).includes(bridge));
      } catch (error) {
        signal.throwIfAborted();
        const note = `Whether ${place.node} of ${place.cluster} has ${bridge} is not known: ${toCallError(error).message}`;
        return { place, found: true, note };
      }
    }),
  );
  const part = (wanted: boolean) => looked.flatMap(({ place, found }) => (found === wanted ? [place] : []));
  const notes = new Set(looked.flatMap((result) => ('note' in result ? result.note : [])));
  return { best: [...part(true), ...part(false)], notes: [...notes] };
}

/** @throws CallError */
async function bridgesOf(cluster: GatedCluster, node: string, signal: AbortSignal): Promise<string[]> {
  return (await bridgeRows(cluster, node, signal)).map((row) => String(row.iface));
}

/** The bridges of a node, Linux's and Open vSwitch's, and where there is SDN its VNets. @throws CallError */
export async function bridgeRows(cluster: GatedCluster, node: string, signal: AbortSignal) {
  const path = apiPath`/nodes/${node}/network`;
  const { data } = await cluster.request({ method: 'GET', path, data: { type: 'any_bridge' }, signal });
  return rowsOf(data);
}

function judged(place: Place, bridge: string, found: boolean): { place: Place; found: boolean } {
  const changed = found
    ? { for: [...place.for, `it has the default bridge ${bridge}`] }
    : {
        against: [
          ...place.against,
          `it has no ${bridge}, the default bridge: name another one for the guest`,
        ],
      };
  return { place: { ...place, ...changed }, found };
}

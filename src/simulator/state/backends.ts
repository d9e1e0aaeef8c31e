import type { ClusterState, Storage, Volume } from './cluster-state.ts';

/** What of a definition says where the data really is, for the types that several clusters can share. */
const LOCATION: Record<string, string[]> = {
  nfs: ['server', 'export'],
  cifs: ['server', 'share'],
  pbs: ['server', 'datastore', 'namespace'],
};

/** @returns the same text for two storages that are one place, in whatever cluster; undefined for one nobody shares */
export function backendOf({ type, options }: Storage): string | undefined {
  const keys = LOCATION[type];
  return keys && [type, ...keys.map((key) => options[key] ?? '')].join('|');
}

interface Shared {
  state: ClusterState;
  storage: Storage;
}

/** The storages of other clusters that are the same place as this one. */
function sharedWith(state: ClusterState, storage: Storage): Shared[] {
  const backend = backendOf(storage);
  if (backend === undefined) return [];
  return (state.peers ?? []).flatMap((peer) => {
    const same = peer.state.storages.filter((candidate) => backendOf(candidate) === backend);
    return same.map((found) => ({ state: peer.state, storage: found }));
  });
}

/** What other clusters keep in the same place, named as this cluster names it. */
export function foreignVolumes(state: ClusterState, storage: Storage): Volume[] {
  return sharedWith(state, storage).flatMap((shared) => {
    const prefix = `${shared.storage.storage}:`;
    return shared.state.volumes
      .filter((volume) => volume.storage === shared.storage.storage)
      .map((volume) => ({
        ...volume,
        storage: storage.storage,
        volid: `${storage.storage}:${volume.volid.slice(prefix.length)}`,
        original: volume,
      }));
  });
}

/** The cluster in whose state a volume is kept. */
export function keeperOf(state: ClusterState, volume: Volume): ClusterState {
  const kept = volume.original ?? volume;
  const peers = (state.peers ?? []).map((peer) => peer.state);
  return [state, ...peers].find((candidate) => candidate.volumes.includes(kept)) ?? state;
}

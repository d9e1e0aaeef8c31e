import type { ClusterState } from './cluster-state.ts';

/** Another simulated cluster, as this one can reach it. */
export interface Peer {
  state: ClusterState;
  /** `host:port` of every node, in node order. */
  endpoints: string[];
  /** SHA-256 of the certificate all its nodes present, uppercase and colon-separated. */
  fingerprint: string;
  /** Whether it listens, as a whole. */
  isUp: () => boolean;
}

/** Makes the clusters of one simulator known to each other, for migration and for storages they share. */
export function linkPeers(clusters: Peer[]): void {
  for (const own of clusters) {
    const others = clusters.filter((cluster) => cluster !== own);
    own.state.peers = others.map(({ state, endpoints, fingerprint, isUp }) => ({
      state,
      endpoints,
      fingerprint,
      isUp,
    }));
  }
}

/** The peer and the node that answer at an address. */
export function findPeer(
  { peers = [] }: ClusterState,
  host: string,
  port: number,
): { peer: Peer; node: string } | undefined {
  const wanted = `${host === 'localhost' ? '127.0.0.1' : host}:${port}`;
  for (const peer of peers) {
    const node = peer.state.nodes[peer.endpoints.indexOf(wanted)];
    if (node) return { peer, node: node.name };
  }
  return undefined;
}

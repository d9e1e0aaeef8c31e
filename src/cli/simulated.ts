import type { SimulatedCluster } from '../simulator/simulator.ts';

/** A simulated cluster as `demo --json` and `simulate --json` print it (DESIGN.md, "Demo"). */
export interface SimulatedAccess {
  name: string;
  url: string;
  user: string;
  token_id: string;
  token_secret: string;
  fingerprint: string;
}

export function accessOf(cluster: SimulatedCluster): SimulatedAccess {
  return {
    name: cluster.name,
    url: cluster.url,
    user: cluster.user,
    token_id: cluster.tokenId,
    token_secret: cluster.tokenSecret,
    fingerprint: cluster.fingerprint,
  };
}

/** The other ways in, apart because `accessOf` is what an entry of clusters.json takes. */
export function otherAccessOf(cluster: SimulatedCluster) {
  return {
    name: cluster.name,
    password: cluster.password,
    limited_token_id: cluster.limitedTokenId,
    limited_token_secret: cluster.limitedTokenSecret,
    endpoints: cluster.endpoints,
  };
}

/** The clusters.json that leads to simulated clusters, indented to be read. */
export function clustersFileOf(clusters: readonly SimulatedCluster[]): string {
  const entries = clusters.map((cluster) => {
    const { name, ...access } = accessOf(cluster);
    const others = cluster.endpoints.slice(1);
    return [name, { ...access, ...(others.length === 0 ? {} : { endpoints: others }), verify_ssl: true }];
  });
  return JSON.stringify({ clusters: Object.fromEntries(entries) }, null, 2);
}

import { findConflicts } from './claims.ts';
import type { ClusterKey } from './cluster-variables.ts';
import type { ClusterEntry } from './clusters-schema.ts';
import type { ClusterConfig } from './config.ts';
import { didYouMean } from './nearest.ts';

/** One cluster as it was described, in the words of clusters.json whatever form it came in. */
export interface DescribedCluster {
  name: string;
  /** Secrets of variables stand in it as `{"env":NAME}`. */
  entry: ClusterEntry;
  /** Where each key has its value from; a key that is not here has its default. */
  origins: ReadonlyMap<ClusterKey, string>;
  /** Where each pattern comes from: there are two places for them. */
  patternOrigins: ReadonlyMap<string, string>;
  /** PEM text, where a variable holds it and no file. */
  ca?: string;
}

/** What one form of configuration says of clusters. */
export interface ClusterSet {
  clusters: ClusterConfig[];
  /** As many as were described, also where something is wrong with one. */
  described: DescribedCluster[];
  defaultCluster?: string;
  defaultOrigin?: string;
  warnings: string[];
}

/** Records a problem of a cluster's key; without a cluster, of the whole. */
type Report = (key: ClusterKey, message: string, cluster: string) => void;

/** The checks that need all clusters: fallbacks that lead nowhere, claims that two of them make. */
export function checkTogether({ clusters, described }: ClusterSet, report: Report): void {
  const names = described.map(({ name }) => name);
  for (const { name, entry } of described) {
    const { fallback } = entry;
    if (fallback === undefined) continue;
    if (fallback === name) report('fallback', 'names the cluster itself', name);
    else if (!names.includes(fallback)) report('fallback', missingCluster(fallback, names), name);
  }
  for (const { cluster, key, message } of findConflicts(clusters)) report(key, message, cluster);
}

/** For a reference to a cluster that is not there. */
export function missingCluster(wanted: string, names: readonly string[]): string {
  return `names the cluster ${JSON.stringify(wanted)}, which does not exist.${didYouMean(wanted, names)}`;
}

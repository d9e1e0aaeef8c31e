import type { ClusterConfig, VmidRange } from './config.ts';
import { parseNamePattern } from './name-pattern.ts';
import { formatVmidRange, parseVmids } from './vmids.ts';

/**
 * Checks the patterns of one cluster.
 *
 * @param texts one pattern or a list; the same one twice counts once
 * @param onProblem told what is wrong with which
 */
export function readPatterns(
  texts: string | readonly string[] | undefined,
  onProblem: (message: string) => void,
): string[] {
  const all = [...new Set(typeof texts === 'string' ? [texts] : texts)];
  return all.filter((text) => {
    try {
      parseNamePattern(text);
      return true;
    } catch (error) {
      onProblem(`${shown(text)} ${messageOf(error)}`);
      return false;
    }
  });
}

/** As `readPatterns`, for VMIDs and ranges of them. */
export function readVmids(
  value: number | string | readonly (number | string)[] | undefined,
  onProblem: (message: string) => void,
): VmidRange[] {
  if (value === undefined) return [];
  try {
    return parseVmids(value);
  } catch (error) {
    onProblem(messageOf(error));
    return [];
  }
}

/** What two clusters claim both: it could only ever be ambiguous. */
export interface Conflict {
  cluster: string;
  key: 'patterns' | 'vmids';
  message: string;
}

/** Finds patterns that stand in two clusters, and VMIDs that lie in two. */
export function findConflicts(clusters: readonly ClusterConfig[]): Conflict[] {
  return clusters.flatMap((cluster, index) =>
    clusters
      .slice(0, index)
      .flatMap((other) => [...patternConflicts(cluster, other), ...vmidConflicts(cluster, other)]),
  );
}

function patternConflicts(cluster: ClusterConfig, other: ClusterConfig): Conflict[] {
  const others = new Set(other.patterns.map(meaning));
  return cluster.patterns
    .filter((text) => others.has(meaning(text)))
    .map((text) => ({
      cluster: cluster.name,
      key: 'patterns',
      message: `${shown(text)} stands in cluster "${other.name}" too; take it out of one of the two`,
    }));
}

/** Case never matters to names, and a star at the end says what a prefix says. */
function meaning(text: string): string {
  if (text.startsWith('/')) return text.replace(/\/i$/, '/');
  return text.toLowerCase().replace(/^([^*?]+)\*+$/, '$1');
}

function vmidConflicts(cluster: ClusterConfig, other: ClusterConfig): Conflict[] {
  const overlaps = cluster.vmids.flatMap((own) =>
    other.vmids
      .map(({ from, to }) => ({ from: Math.max(from, own.from), to: Math.min(to, own.to) }))
      .filter(({ from, to }) => from <= to),
  );
  if (overlaps.length === 0) return [];
  const message = `${overlaps.map(formatVmidRange).join(', ')} lies in cluster "${other.name}" too; a VMID may select one only`;
  return [{ cluster: cluster.name, key: 'vmids', message }];
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'is not valid';
}

import { isAbsolute, join, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ClusterConfig } from './config.ts';
import type { ClusterSet, DescribedCluster } from './described.ts';
import type { Environment } from './environment.ts';
import type { ConfigProblem } from './problems.ts';

/**
 * Where secrets go: `keep` leaves them where they are as far as the form allows, `inline` puts them into the file,
 * `env` refers to the variables that hold them, `file` gives each a file of its own.
 */
export type SecretsMode = 'keep' | 'inline' | 'env' | 'file';

/** What is going to be written. */
export interface Migration {
  /** Of the file itself. Holds secrets. */
  text: string;
  /** More files by absolute path: secrets and certificates. */
  files: Map<string, string>;
  clusters: string[];
  defaultCluster?: string;
  /** What the operator should know: what has no equal on the other side, what was kept where it was. */
  notes: string[];
  /** Variables that hold something that counts no longer, and where they are set. */
  unused: { name: string; source: string }[];
}

/** The keys of clusters that hold secrets. */
export type SecretKey = 'token_secret' | 'password';

/** What both directions collect while they go through the clusters. */
export class MigrationDraft {
  readonly files = new Map<string, string>();
  readonly notes: string[] = [];
  readonly problems: ConfigProblem[] = [];
  /** Variables that the result still refers to. */
  readonly referenced = new Set<string>();
  readonly folder: string;
  readonly environment: Environment;
  readonly #source: string;

  /** @param folder where the result is going to be: its relative paths start there */
  constructor(folder: string, environment: Environment, source: string) {
    this.folder = folder;
    this.environment = environment;
    this.#source = source;
  }

  problem(cluster: string, field: string, message: string): void {
    this.problems.push({ source: this.#source, cluster, field, message });
  }

  /** Puts a text into a file of its own. @returns its path as the result names it */
  addFile(name: string, text: string): string {
    this.files.set(join(this.folder, name), text.endsWith('\n') ? text : `${text}\n`);
    return name;
  }

  /** A path as it stands in the result: relative where the file is below its folder. */
  pathFor(path: string): string {
    const short = relative(this.folder, path);
    return short.startsWith('..') || isAbsolute(short) ? path : short;
  }
}

/** The secret of a cluster, under the key it stands behind. */
export function secretOf({ credentials }: ClusterConfig): { key: SecretKey; value: string } {
  return credentials.kind === 'token'
    ? { key: 'token_secret', value: credentials.secret.reveal() }
    : { key: 'password', value: credentials.password.reveal() };
}

/** Pairs what was described with what came of it. */
export function pairs({ clusters, described }: ClusterSet): [DescribedCluster, ClusterConfig][] {
  const byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  return described.flatMap((cluster): [DescribedCluster, ClusterConfig][] => {
    const config = byName.get(cluster.name);
    return config === undefined ? [] : [[cluster, config]];
  });
}

/** Whether two sets describe the same clusters, secrets included, in whatever order. */
export function sameClusters(one: readonly ClusterConfig[], other: readonly ClusterConfig[]): boolean {
  return isDeepStrictEqual(comparable(one), comparable(other));
}

function comparable(clusters: readonly ClusterConfig[]): unknown[] {
  // A Secret hides its value from every comparison.
  return clusters
    .map((cluster) => ({ ...cluster, credentials: { ...identityOf(cluster), ...secretOf(cluster) } }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function identityOf({ credentials }: ClusterConfig): { user: string; tokenId?: string } {
  const { user } = credentials;
  return credentials.kind === 'token' ? { user, tokenId: credentials.tokenId } : { user };
}

import { dirname, join, resolve } from 'node:path';
import { type ClusterKey, isClusterVariable, NAMES, prefixOf, SUFFIXES } from './cluster-variables.ts';
import { readEnvironmentClusters } from './clusters-env.ts';
import { readClustersFile } from './clusters-file.ts';
import type { ClusterEntry } from './clusters-schema.ts';
import type { ClusterConfig } from './config.ts';
import type { ClusterSet, DescribedCluster } from './described.ts';
import { dotEnvLine, withBlock } from './dotenv-text.ts';
import { Environment, type EnvironmentVariables } from './environment.ts';
import {
  type Migration,
  MigrationDraft,
  pairs,
  type SecretsMode,
  sameClusters,
  secretOf,
} from './migration.ts';
import { formatPrices } from './prices.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { formatVmids } from './vmids.ts';

export interface MigrateToEnv {
  env: EnvironmentVariables;
  /** The folder of the `.env` that secrets of clusters.json may stand in. */
  cwd: string;
  /** Absolute path of the clusters.json. */
  input: string;
  /** Absolute path of the `.env` that is going to be written. */
  output: string;
  /** What stands in it now; everything but variables of clusters stays. */
  existing: string;
  secrets: Exclude<SecretsMode, 'env'>;
}

const BLOCK =
  '# Clusters, written by `proxmox-mcp config migrate`. The first of PROXMOX_CLUSTERS is the default.';

/**
 * Says in variables what a clusters.json says. Nothing is written.
 *
 * @throws ConfigError for a file that can't be used, for what `.env` can't hold, and where the result would not say the
 *   same
 */
export function migrateToEnv({ env, cwd, input, output, existing, secrets }: MigrateToEnv): Migration {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(env, cwd, problems);
  const set = readClustersFile(input, environment, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const draft = new MigrationDraft(dirname(output), environment, 'clusters.json');
  const order = defaultFirst(set);
  const lines = pairs(set).flatMap(([described, config]) =>
    clusterLines(described, config, { secrets, draft, folder: dirname(input) }),
  );
  if (draft.problems.length > 0) throw new ConfigError(draft.problems);
  const block = [BLOCK, `${NAMES}=${order.join(',')}`, ...lines, ''].join('\n');
  const text = mergedText(existing, block, output);
  check(text, set, output, draft);
  return {
    text,
    files: draft.files,
    clusters: order,
    ...(order[0] === undefined ? {} : { defaultCluster: order[0] }),
    notes: [...notesOf(set, order), ...draft.notes, ...set.warnings],
    unused: [...draft.referenced].map((name) => ({ name, source: environment.sourceOf(name) })),
  };
}

function mergedText(existing: string, block: string, output: string): string {
  try {
    return withBlock(existing, isClusterVariable, block);
  } catch (error) {
    throw new ConfigError([
      { source: output, message: error instanceof Error ? error.message : 'is not valid' },
    ]);
  }
}

/** Reads the result as the service will, where it is started in the folder of that `.env`. */
function check(text: string, set: ClusterSet, output: string, draft: MigrationDraft): void {
  const problems: ConfigProblem[] = [];
  const drafts = new Map([...draft.files, [join(draft.folder, '.env'), text]]);
  const again = readEnvironmentClusters(new Environment({}, draft.folder, problems, drafts), draft.folder);
  if (problems.length > 0) throw new ConfigError(problems);
  const isSame = sameClusters(again.clusters, set.clusters);
  if (!isSame || (set.defaultCluster !== undefined && again.defaultCluster !== set.defaultCluster)) {
    throw new ConfigError([
      { source: output, message: 'would not describe the same clusters; nothing was written' },
    ]);
  }
}

/** The first of PROXMOX_CLUSTERS is the default. */
function defaultFirst({ clusters, defaultCluster }: ClusterSet): string[] {
  const names = clusters.map(({ name }) => name);
  return [
    ...names.filter((name) => name === defaultCluster),
    ...names.filter((name) => name !== defaultCluster),
  ];
}

function notesOf({ defaultCluster }: ClusterSet, [first]: readonly string[]): string[] {
  if (defaultCluster !== undefined || first === undefined) return [];
  return [
    `clusters.json has no default_cluster, and variables can't say that there is none: calls that nothing else selects go to "${first}", the first of ${NAMES}`,
  ];
}

interface LineContext {
  secrets: MigrateToEnv['secrets'];
  draft: MigrationDraft;
  /** Of clusters.json. */
  folder: string;
}

function clusterLines(described: DescribedCluster, config: ClusterConfig, context: LineContext): string[] {
  const { name, entry } = described;
  const values = new Map<string, string>();
  for (const [key, suffix] of Object.entries(SUFFIXES) as [ClusterKey, string][]) {
    const value = plainValue(key, entry, config);
    if (value !== undefined) values.set(suffix, value);
  }
  if (entry.ca_file !== undefined) {
    values.set(`${SUFFIXES.ca_file}_FILE`, context.draft.pathFor(resolve(context.folder, entry.ca_file)));
  }
  const [suffix, secret] = secretValue(described, config, context) ?? [];
  if (suffix !== undefined && secret !== undefined) values.set(suffix, secret);
  return [...values].flatMap(([variable, value]) => {
    try {
      return dotEnvLine(`${prefixOf(name)}${variable}`, value);
    } catch (error) {
      context.draft.problem(name, variable, error instanceof Error ? error.message : 'is not valid');
      return [];
    }
  });
}

/** The value of a key that is neither a secret nor a file. */
function plainValue(key: ClusterKey, entry: ClusterEntry, config: ClusterConfig): string | undefined {
  const { credentials } = config;
  switch (key) {
    case 'token_secret':
    case 'password':
    case 'ca_file':
      return undefined;
    case 'user':
      return credentials.kind === 'password' ? credentials.user : undefined;
    case 'token_id':
      return credentials.kind === 'token' ? `${credentials.user}!${credentials.tokenId}` : undefined;
    case 'endpoints':
      return entry.endpoints?.map((item) => (typeof item === 'string' ? item : endpointText(item))).join(',');
    case 'patterns':
      return config.patterns.length === 0 ? undefined : patternText(config.patterns);
    case 'vmids':
      return formatVmids(config.vmids) || undefined;
    case 'prices':
      return config.prices && formatPrices(config.prices);
    default:
      return entry[key] === undefined ? undefined : String(entry[key]);
  }
}

function endpointText({ url, fingerprint }: { url: string; fingerprint?: string | undefined }): string {
  return fingerprint === undefined ? url : `${url}=${fingerprint}`;
}

/** A comma would split a pattern, and a blank at its end would be lost. */
function patternText(patterns: readonly string[]): string {
  const isPlain = patterns.every((text) => !text.includes(',') && text.trim() === text);
  return isPlain ? patterns.join(',') : JSON.stringify(patterns);
}

/** @returns suffix of the variable and its value; undefined where a problem was recorded */
function secretValue(
  { name, entry }: DescribedCluster,
  config: ClusterConfig,
  { secrets, draft, folder }: LineContext,
): [string, string] | undefined {
  const { key, value } = secretOf(config);
  const source = entry[key];
  const suffix = SUFFIXES[key];
  if (secrets === 'file') return [`${suffix}_FILE`, draft.addFile(`secrets/${name}_${key}`, value)];
  if (secrets === 'inline' || typeof source !== 'object') return [suffix, value];
  if ('sealed' in source) {
    const way =
      'variables hold no sealed secrets: choose --secrets inline, or --secrets file, to write it unsealed';
    draft.problem(name, key, `is sealed, and ${way}`);
    return undefined;
  }
  if ('file' in source) return [`${suffix}_FILE`, draft.pathFor(resolve(folder, source.file))];
  const place = draft.environment.place(source.env);
  if (place !== undefined) draft.referenced.add(place.variable);
  return place?.file === undefined ? [suffix, value] : [`${suffix}_FILE`, draft.pathFor(place.file)];
}

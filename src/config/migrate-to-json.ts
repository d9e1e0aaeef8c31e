import { dirname } from 'node:path';
import { type ClusterKey, environmentHasClusters, isClusterVariable, SUFFIXES } from './cluster-variables.ts';
import { readEnvironmentClusters } from './clusters-env.ts';
import { readClustersFile } from './clusters-file.ts';
import { type ClusterEntry, type SecretSource, VARIABLE_NAME } from './clusters-schema.ts';
import type { ClusterConfig } from './config.ts';
import type { DescribedCluster } from './described.ts';
import { Environment, type EnvironmentVariables } from './environment.ts';
import {
  type Migration,
  MigrationDraft,
  pairs,
  type SecretsMode,
  sameClusters,
  secretOf,
} from './migration.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { unknownSettings } from './unknown.ts';

export interface MigrateToJson {
  env: EnvironmentVariables;
  /** The folder of `.env`. */
  cwd: string;
  /** Absolute path of the clusters.json that is going to be written. */
  output: string;
  secrets: SecretsMode;
}

/**
 * Says in the words of clusters.json what variables say of clusters. Nothing is written.
 *
 * @throws ConfigError for variables that describe no usable clusters, and where the result would not say the same
 */
export function migrateToJson({ env, cwd, output, secrets }: MigrateToJson): Migration {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(env, cwd, problems);
  if (!environmentHasClusters(environment)) {
    throw new ConfigError([
      {
        source: environment.hasDotEnv ? '.env' : 'environment',
        message: 'no PROXMOX_… variable describes a cluster',
      },
    ]);
  }
  const set = readEnvironmentClusters(environment, cwd);
  if (problems.length > 0) throw new ConfigError(problems);
  const draft = new MigrationDraft(dirname(output), environment, 'variables');
  const entries = pairs(set).map(([described, config]) => [
    described.name,
    entryOf(described, config, secrets, draft),
  ]);
  const file = { default_cluster: set.defaultCluster, clusters: Object.fromEntries(entries) };
  const text = `${JSON.stringify(file, null, 2)}\n`;
  const again = new Environment(env, cwd, problems, new Map([...draft.files, [output, text]]));
  const result = readClustersFile(output, again, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  if (!sameClusters(result.clusters, set.clusters) || result.defaultCluster !== set.defaultCluster) {
    throw new ConfigError([
      { source: output, message: 'would not describe the same clusters; nothing was written' },
    ]);
  }
  return {
    text,
    files: draft.files,
    clusters: set.clusters.map(({ name }) => name),
    ...(set.defaultCluster === undefined ? {} : { defaultCluster: set.defaultCluster }),
    notes: [...draft.notes, ...set.warnings, ...misspelt(environment)],
    unused: unusedVariables(environment, draft.referenced),
  };
}

function entryOf(
  { name, entry, ca }: DescribedCluster,
  config: ClusterConfig,
  secrets: SecretsMode,
  draft: MigrationDraft,
): ClusterEntry {
  const { key, value } = secretOf(config);
  const path = entry.ca_file === undefined ? undefined : draft.pathFor(entry.ca_file);
  const caFile = ca === undefined ? path : draft.addFile(`${name}_ca.pem`, ca);
  if (ca !== undefined) {
    draft.notes.push(
      `cluster "${name}": clusters.json takes a CA as a file only; its certificate goes to ${caFile}`,
    );
  }
  const changed: ClusterEntry = {
    ...entry,
    ...(caFile === undefined ? {} : { ca_file: caFile }),
    [key]: secretSource({ name, key, value, source: entry[key] }, secrets, draft),
  };
  const order = Object.keys(SUFFIXES) as ClusterKey[];
  return Object.assign({ url: changed.url }, ...order.map((name) => ({ [name]: changed[name] })));
}

function secretSource(
  {
    name,
    key,
    value,
    source,
  }: { name: string; key: string; value: string; source: SecretSource | undefined },
  secrets: SecretsMode,
  draft: MigrationDraft,
): SecretSource {
  const variable = typeof source === 'object' && 'env' in source ? source.env : '';
  const place = draft.environment.place(variable);
  if (secrets === 'file') return { file: draft.addFile(`secrets/${name}_${key}`, value) };
  if (secrets === 'keep' && place?.file !== undefined) return { file: draft.pathFor(place.file) };
  const staysInVariable = secrets === 'env' || (secrets === 'keep' && place?.level === 'environment');
  if (!staysInVariable || !VARIABLE_NAME.test(variable)) return value;
  draft.referenced.add(place?.variable ?? variable);
  return { env: variable };
}

/** Nothing reads them, so nothing of them is moved. */
function misspelt(environment: Environment): string[] {
  return unknownSettings(environment, [])
    .filter(({ name }) => name.startsWith('PROXMOX_'))
    .map(({ name, message }) => `${name} ${message}`);
}

function unusedVariables(environment: Environment, referenced: ReadonlySet<string>): Migration['unused'] {
  const names = [...new Set(environment.names())].filter(
    (name) => isClusterVariable(name) && !referenced.has(name),
  );
  return names.map((name) => ({ name, source: environment.sourceOf(name) }));
}

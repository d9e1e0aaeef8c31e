import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { readAlerts } from './alerts.ts';
import { readCacheDir } from './cache-dir.ts';
import { environmentHasClusters } from './cluster-variables.ts';
import { readEnvironmentClusters } from './clusters-env.ts';
import { readClustersFile } from './clusters-file.ts';
import type { AuthConfig, Config } from './config.ts';
import type { ClusterSet } from './described.ts';
import { Environment, type EnvironmentVariables } from './environment.ts';
import { readTracing } from './observability.ts';
import { readPolicyFile, readPolicyPath } from './policy-file.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { readRedisUrl } from './redis-url.ts';
import { readReplicaUrl } from './replica-url.ts';
import { readAudit, readAuth, readHttp, readLogLevel, readStateFile } from './service.ts';
import { readTls } from './tls.ts';
import { readToolsetsSetting } from './toolsets.ts';
import { type UnknownSetting, unknownSettings } from './unknown.ts';

const DEFAULT_FILE = 'clusters.json';

export interface LoadOptions {
  /** The process environment; `.env` of `cwd` is read beneath it. */
  env: EnvironmentVariables;
  /** Where `.env` and the default clusters.json are looked for. */
  cwd: string;
  /** False for commands that no client connects to (stdio, check): `auth` is then `none` and its settings unread. */
  needsAuth?: boolean;
  /** The clusters.json that the configuration in use comes from: it must not give way to variables unnoticed. */
  clustersFile?: string | undefined;
}

/** A configuration with what it was made from. */
export interface ExplainedConfig {
  config: Config;
  clusters: ClusterSet;
  /** After everything was read from it: it knows where each value stands. */
  environment: Environment;
}

/**
 * Reads and checks the whole configuration: variables, `.env`, clusters.json and the files they name.
 *
 * @throws ConfigError that lists everything that is wrong, with file, cluster and field, and no secret.
 */
export function loadConfig(options: LoadOptions): Config {
  return explainConfig(options).config;
}

/**
 * As `loadConfig`, with the origin of every value.
 *
 * @throws ConfigError as `loadConfig` does.
 */
export function explainConfig(options: LoadOptions): ExplainedConfig {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(options.env, options.cwd, problems);
  const file = clustersPath(environment, options);
  const clusters =
    file === undefined
      ? loadVariables(environment, options.cwd, problems)
      : loadFile(file, environment, problems);
  const { defaultCluster, warnings } = clusters;
  const service = readService(environment, options, warnings);
  const policy =
    service.policyFile === undefined ? undefined : readPolicyFile(service.policyFile, environment, problems);
  const unknown = unknownSettings(environment, serviceSettings());
  const files = environment.files();
  if (problems.length > 0) {
    throw new ConfigError([...problems, ...nearMisses(unknown, file === undefined)], files);
  }
  const config = {
    ...service,
    ...(policy === undefined ? {} : { policy }),
    clusters: clusters.clusters,
    ...(defaultCluster === undefined ? {} : { defaultCluster }),
    ...(file === undefined ? {} : { clustersFile: file }),
    files,
    secrets: environment.secrets(),
    warnings: [...warnings, ...unknown.map(({ name, message }) => `${name} ${message}`)],
  };
  return { config, clusters, environment };
}

/** All settings beside the clusters. */
function readService(
  environment: Environment,
  { cwd, needsAuth }: Omit<LoadOptions, 'env'>,
  warnings: string[],
): Omit<Config, 'clusters' | 'defaultCluster' | 'clustersFile' | 'files' | 'warnings' | 'policy'> {
  const http = readHttp(environment, warnings);
  // `token` and `stdio` serve no https, and their user may not read the key.
  const tls = needsAuth === false ? undefined : readTls(environment, warnings);
  const cacheDir = readCacheDir(environment, cwd);
  const stateFile = readStateFile(environment, cwd);
  const audit = readAudit(environment, cwd);
  const policyFile = readPolicyPath(environment, cwd);
  const redisUrl = readRedisUrl(environment);
  // Without doors there is nothing that another replica could reach.
  const replicaUrl = needsAuth === false ? undefined : readReplicaUrl(environment, http);
  const tracing = readTracing(environment);
  return {
    http: { ...http, ...(tls === undefined ? {} : { tls }) },
    auth: needsAuth === false ? { mode: 'none' } : readAuth(environment, http.host),
    readOnly: environment.boolean('MCP_READ_ONLY') ?? false,
    toolsets: readToolsetsSetting(environment),
    logLevel: readLogLevel(environment),
    clusterTtlSeconds: readTtl(environment),
    clusterValidation: environment.boolean('CLUSTER_VALIDATION') ?? true,
    alerts: readAlerts(environment),
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(stateFile === undefined ? {} : { stateFile }),
    ...(audit === undefined ? {} : { audit }),
    ...(policyFile === undefined ? {} : { policyFile }),
    ...(redisUrl === undefined ? {} : { redisUrl }),
    ...(replicaUrl === undefined ? {} : { replicaUrl }),
    ...(tracing === undefined ? {} : { tracing }),
  };
}

/**
 * Every setting of the service, found by reading them all where none is set: `check` and `stdio` leave those of
 * authentication unread, and a list beside the reading code would drift from it.
 */
export function serviceSettings(): Iterable<string> {
  const environment = new Environment({}, undefined, []);
  readService(environment, { cwd: '/', needsAuth: true }, []);
  return environment.asked();
}

/**
 * Where something is wrong, a misspelt name is likely to be why.
 *
 * @param clustersInVariables false where PROXMOX_… names may be ones that a clusters.json gives to its secrets
 */
function nearMisses(unknown: readonly UnknownSetting[], clustersInVariables: boolean): ConfigProblem[] {
  return unknown
    .filter(({ isNear, name }) => isNear && (clustersInVariables || /^(?:MCP|POLICY)_/i.test(name)))
    .map(({ source, name, message }) => ({ source, field: name, message }));
}

/**
 * Reads the authentication settings alone: issuing a token needs no cluster.
 *
 * @throws ConfigError as `loadConfig` does.
 */
export function loadAuth(options: LoadOptions): AuthConfig {
  return loadCredentialSettings(options).auth;
}

/**
 * As `loadAuth`, with the file, or the Redis, that remembers what was issued.
 *
 * @throws ConfigError as `loadConfig` does.
 */
export function loadCredentialSettings({
  env,
  cwd,
}: LoadOptions): Pick<Config, 'auth' | 'stateFile' | 'redisUrl'> {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(env, cwd, problems);
  const auth = readAuth(environment, readHttp(environment, []).host);
  const stateFile = readStateFile(environment, cwd);
  const redisUrl = readRedisUrl(environment);
  if (problems.length === 0) {
    return {
      auth,
      ...(stateFile === undefined ? {} : { stateFile }),
      ...(redisUrl === undefined ? {} : { redisUrl }),
    };
  }
  const unknown = unknownSettings(environment, serviceSettings());
  throw new ConfigError([...problems, ...nearMisses(unknown, false)]);
}

const DEFAULT_TTL_SECONDS = 3600;
const MOST_TTL_SECONDS = 30 * 86_400;

/** CLUSTER_TTL_SECONDS, from a second to 30 days. */
function readTtl(environment: Environment): number {
  return environment.integer('CLUSTER_TTL_SECONDS', 1, MOST_TTL_SECONDS) ?? DEFAULT_TTL_SECONDS;
}

/**
 * The clusters.json to use. One that was named, or that is in use, has to be there: falling back to other clusters would
 * be a surprise.
 */
function clustersPath(
  environment: Environment,
  { cwd, clustersFile: inUse }: LoadOptions,
): string | undefined {
  const named = environment.text('CLUSTERS_FILE');
  const path = resolve(cwd, named ?? DEFAULT_FILE);
  environment.noteFile(path);
  return named !== undefined || path === inUse || existsSync(path) ? path : undefined;
}

function loadFile(path: string, environment: Environment, problems: ConfigProblem[]): ClusterSet {
  const fromFile = readClustersFile(path, environment, problems);
  if (environmentHasClusters(environment)) {
    fromFile.warnings.push(`${basename(path)} is used; the clusters in PROXMOX_… variables are ignored`);
  }
  return fromFile;
}

function loadVariables(environment: Environment, cwd: string, problems: ConfigProblem[]): ClusterSet {
  if (environmentHasClusters(environment)) return readEnvironmentClusters(environment, cwd);
  const orphan = environment.names().find((name) => name.startsWith('PROXMOX_CLUSTER_'));
  if (orphan !== undefined) {
    environment.problem(
      orphan,
      'is set, but PROXMOX_CLUSTERS, which lists the names of the clusters, is not',
    );
  }
  problems.push({
    source: resolve(cwd, DEFAULT_FILE),
    message:
      'there is no clusters.json, and no PROXMOX_… variable describes a cluster. Run `proxmox-mcp init` to make one, ' +
      'or `npm run demo` to try the service with simulated clusters',
  });
  return { clusters: [], described: [], warnings: [] };
}

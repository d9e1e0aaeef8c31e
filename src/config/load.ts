import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { readCacheDir } from './cache-dir.ts';
import { environmentHasClusters, readEnvironmentClusters } from './clusters-env.ts';
import { type ClusterSet, readClustersFile } from './clusters-file.ts';
import type { AuthConfig, Config } from './config.ts';
import { Environment, type EnvironmentVariables } from './environment.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { readAuth, readHttp, readLogLevel } from './service.ts';

export interface LoadOptions {
  /** The process environment; `.env` of `cwd` is read beneath it. */
  env: EnvironmentVariables;
  /** Where `.env` and the default clusters.json are looked for. */
  cwd: string;
  /** False for commands that no client connects to (stdio, check): `auth` is then `none` and its settings unread. */
  needsAuth?: boolean;
}

/**
 * Reads and checks the whole configuration: variables, `.env`, clusters.json and the files they name.
 *
 * @throws ConfigError that lists everything that is wrong, with file, cluster and field, and no secret.
 */
export function loadConfig(options: LoadOptions): Config {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(options.env, options.cwd, problems);
  const { clusters, defaultCluster, warnings } = loadClusters(environment, options.cwd, problems);
  const http = readHttp(environment, warnings);
  const cacheDir = readCacheDir(environment, options.cwd);
  const config: Config = {
    http,
    auth: options.needsAuth === false ? { mode: 'none' } : readAuth(environment, http.host),
    readOnly: environment.boolean('MCP_READ_ONLY') ?? false,
    logLevel: readLogLevel(environment),
    ...(cacheDir === undefined ? {} : { cacheDir }),
    clusters,
    ...(defaultCluster === undefined ? {} : { defaultCluster }),
    warnings,
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/**
 * Reads the authentication settings alone: issuing a token needs no cluster.
 *
 * @throws ConfigError as `loadConfig` does.
 */
export function loadAuth({ env, cwd }: LoadOptions): AuthConfig {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(env, cwd, problems);
  const auth = readAuth(environment, readHttp(environment, []).host);
  if (problems.length > 0) throw new ConfigError(problems);
  return auth;
}

function loadClusters(environment: Environment, cwd: string, problems: ConfigProblem[]): ClusterSet {
  const named = environment.text('CLUSTERS_FILE');
  const path = resolve(cwd, named ?? 'clusters.json');
  const inVariables = environmentHasClusters(environment);
  // A file that was named has to be there: falling back to other clusters would be a surprise.
  if (named !== undefined || existsSync(path)) {
    const fromFile = readClustersFile(path, environment, problems);
    if (inVariables) {
      fromFile.warnings.push(`${basename(path)} is used; the clusters in PROXMOX_… variables are ignored`);
    }
    return fromFile;
  }
  if (inVariables) return readEnvironmentClusters(environment, cwd);
  problems.push({
    source: path,
    message:
      'there is no clusters.json, and no PROXMOX_… variable describes a cluster. Run `proxmox-mcp init` to make one, ' +
      'or `npm run demo` to try the service with simulated clusters',
  });
  return { clusters: [], warnings: [] };
}

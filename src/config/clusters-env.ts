import { checkedCertificates } from './certificates.ts';
import { clusterConfig } from './cluster-entry.ts';
import {
  type ClusterKey,
  checkUnknown,
  ignoredVariables,
  NAMES,
  PATTERNS,
  prefixOf,
  SINGLE_PREFIX,
  SUFFIXES,
  variableOf,
} from './cluster-variables.ts';
import { CLUSTER_NAME, CLUSTER_NAME_RULE, type ClusterEntry } from './clusters-schema.ts';
import type { ClusterConfig } from './config.ts';
import { type ClusterSet, checkTogether, type DescribedCluster } from './described.ts';
import type { Environment } from './environment.ts';
import { readEndpointList, readPatternList, readPatternMap, readPriceList } from './variable-lists.ts';

const SINGLE_CLUSTER = 'default';
const BOOLEANS = ['verify_ssl', 'read_only', 'validate'] as const;
const SECRETS = ['token_secret', 'password'] as const;
const TEXTS = [
  'token_id',
  'user',
  'fingerprint',
  'default_node',
  'default_storage',
  'default_bridge',
  'region',
  'tier',
  'vmids',
  'fallback',
] as const;

/**
 * Reads the clusters that variables describe: `PROXMOX_CLUSTERS=a,b` with `PROXMOX_CLUSTER_<name>_…`, or one cluster
 * from `PROXMOX_…`. Problems go to the environment's list.
 *
 * @param folder the working directory
 */
export function readEnvironmentClusters(environment: Environment, folder: string): ClusterSet {
  const names = environment.list(NAMES);
  const reader = new VariableReader(environment, folder, ignoredVariables(environment, names));
  if (names === undefined) {
    reader.read(SINGLE_CLUSTER, SINGLE_PREFIX);
    return reader.end({ defaultCluster: SINGLE_CLUSTER, defaultOrigin: 'the only cluster' });
  }
  if (names.length === 0) environment.problem(NAMES, 'holds no name');
  if (new Set(names).size < names.length) environment.problem(NAMES, 'holds a name twice');
  const valid = [...new Set(names)].filter((name) => CLUSTER_NAME.test(name));
  if (!names.every((name) => CLUSTER_NAME.test(name))) {
    environment.problem(NAMES, `each name ${CLUSTER_NAME_RULE}`);
  }
  const patterns = readPatternMap(environment, PATTERNS, names, NAMES);
  for (const name of valid) reader.read(name, prefixOf(name), patterns.get(name));
  checkUnknown(environment, names, reader.warnings);
  const [first] = names;
  const origin = `the first of ${environment.origin(NAMES)}`;
  return reader.end(first === undefined ? {} : { defaultCluster: first, defaultOrigin: origin });
}

/** Collects clusters from variables, one after the other. */
class VariableReader {
  readonly warnings: string[];
  readonly #environment: Environment;
  readonly #folder: string;
  readonly #clusters: ClusterConfig[] = [];
  readonly #described: DescribedCluster[] = [];
  readonly #prefixes = new Map<string, string>();

  constructor(environment: Environment, folder: string, warnings: string[]) {
    this.#environment = environment;
    this.#folder = folder;
    this.warnings = warnings;
  }

  /** @param shared patterns that PROXMOX_CLUSTER_PATTERNS gives to this cluster */
  read(name: string, prefix: string, shared: readonly string[] = []): void {
    this.#prefixes.set(name, prefix);
    const origins = new Map<ClusterKey, string>();
    const entry = this.#entry(name, prefix, origins);
    const patternOrigins = new Map([
      ...shared.map((text) => [text, this.#environment.origin(PATTERNS)] as const),
      ...[entry?.patterns ?? []].flat().map((text) => [text, origins.get('patterns') ?? ''] as const),
    ]);
    if (entry === undefined) return;
    if (patternOrigins.size > 0) entry.patterns = [...patternOrigins.keys()];
    const ca = this.#ca(name, prefix, entry, origins);
    const inline = ca !== undefined && entry.ca_file === undefined ? { ca } : {};
    this.#described.push({ name, entry, origins, patternOrigins, ...inline });
    // The CA was read already, from wherever it is.
    const { ca_file: _read, ...rest } = entry;
    const config = clusterConfig(rest, {
      name,
      folder: this.#folder,
      environment: this.#environment,
      problem: (key, message) => this.#problem(key, message, name),
      warn: (message) => this.warnings.push(message),
    });
    if (config === undefined) return;
    this.#clusters.push(ca === undefined ? config : { ...config, tls: { ...config.tls, ca } });
  }

  /** All that was read, checked together. */
  end(byDefault: Pick<ClusterSet, 'defaultCluster' | 'defaultOrigin'>): ClusterSet {
    const set = {
      clusters: this.#clusters,
      described: this.#described,
      ...byDefault,
      warnings: this.warnings,
    };
    checkTogether(set, (key, message, cluster) => this.#problem(key, message, cluster));
    return set;
  }

  #problem(key: ClusterKey, message: string, name: string): undefined {
    const variable = variableOf(this.#environment, this.#prefixes.get(name) ?? '', key);
    const isShared = key === 'patterns' && !this.#environment.has(variable);
    this.#environment.problem(isShared ? PATTERNS : variable, message, name);
  }

  #entry(name: string, prefix: string, origins: Map<ClusterKey, string>): ClusterEntry | undefined {
    const environment = this.#environment;
    const variable = (key: ClusterKey): string => variableOf(environment, prefix, key);
    const url = environment.text(variable('url'));
    const plainUrl = `${prefix}${SUFFIXES.url}`;
    if (variable('url') !== plainUrl && environment.has(plainUrl)) {
      environment.problem(variable('url'), `is set beside ${plainUrl}; keep one`);
    }
    if (url === undefined) {
      if (!environment.has(variable('url'))) this.#problem('url', 'is missing', name);
      return undefined;
    }
    const entry: ClusterEntry = { url, ...this.#values(variable) };
    for (const key of Object.keys(SUFFIXES) as ClusterKey[]) {
      if (entry[key] !== undefined) origins.set(key, environment.origin(variable(key)));
    }
    return entry;
  }

  #values(variable: (key: ClusterKey) => string): Omit<ClusterEntry, 'url'> {
    const environment = this.#environment;
    const values: Omit<ClusterEntry, 'url'> = {};
    for (const key of BOOLEANS) {
      const value = environment.boolean(variable(key));
      if (value !== undefined) values[key] = value;
    }
    for (const key of TEXTS) {
      const value = environment.text(variable(key));
      if (value !== undefined) values[key] = value;
    }
    for (const key of SECRETS) {
      if (environment.secret(variable(key)) !== undefined) values[key] = { env: variable(key) };
    }
    const patterns = readPatternList(environment, variable('patterns'));
    const endpoints = readEndpointList(environment, variable('endpoints'));
    const prices = readPriceList(environment, variable('prices'));
    return {
      ...values,
      ...(patterns === undefined ? {} : { patterns }),
      ...(endpoints === undefined ? {} : { endpoints }),
      ...(prices === undefined ? {} : { prices }),
    };
  }

  /** `…_CA` holds PEM text, so that `…_CA_FILE` is the path of a mounted file as with every variable. */
  #ca(
    name: string,
    prefix: string,
    entry: ClusterEntry,
    origins: Map<ClusterKey, string>,
  ): string | undefined {
    const variable = `${prefix}${SUFFIXES.ca_file}`;
    const pem = this.#environment.text(variable);
    if (pem === undefined) return undefined;
    const file = this.#environment.place(variable)?.file;
    if (file !== undefined) entry.ca_file = file;
    origins.set('ca_file', this.#environment.origin(variable));
    try {
      return checkedCertificates(pem);
    } catch (error) {
      this.#problem('ca_file', error instanceof Error ? error.message : 'is not valid', name);
      return undefined;
    }
  }
}

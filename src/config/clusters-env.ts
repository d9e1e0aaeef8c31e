import { checkedCertificates } from './certificates.ts';
import { clusterConfig, type EntryContext } from './cluster-entry.ts';
import type { ClusterSet } from './clusters-file.ts';
import { CLUSTER_NAME, CLUSTER_NAME_RULE, type ClusterEntry } from './clusters-schema.ts';
import type { ClusterConfig } from './config.ts';
import type { Environment } from './environment.ts';
import { didYouMean } from './nearest.ts';

const NAMES = 'PROXMOX_CLUSTERS';
const PATTERNS = 'PROXMOX_CLUSTER_PATTERNS';
const SINGLE_CLUSTER = 'default';

/** The variables of a cluster, behind `PROXMOX_CLUSTER_<name>_` or `PROXMOX_`, and the keys they stand for. */
const SUFFIXES = {
  url: 'API_URL',
  token_id: 'TOKEN_ID',
  token_secret: 'TOKEN_SECRET',
  user: 'USERNAME',
  password: 'PASSWORD',
  verify_ssl: 'VERIFY',
  fingerprint: 'FINGERPRINT',
  ca_file: 'CA',
  default_node: 'DEFAULT_NODE',
  default_storage: 'DEFAULT_STORAGE',
  default_bridge: 'DEFAULT_BRIDGE',
  region: 'REGION',
  tier: 'TIER',
  read_only: 'READ_ONLY',
  validate: 'VALIDATE',
} as const satisfies Partial<Record<keyof ClusterEntry, string>>;

/** Any one of these describes clusters. */
const ENTRANCES = [NAMES, `PROXMOX_${SUFFIXES.url}`, 'PROXMOX_HOST'];

/** The variables that are read beside `PROXMOX_CLUSTER_<name>_…`, whichever way clusters are described. */
export const TOP_VARIABLES: readonly string[] = [
  ...ENTRANCES,
  PATTERNS,
  ...Object.values(SUFFIXES).map((suffix) => `PROXMOX_${suffix}`),
];

/** Whether variables describe a cluster at all. */
export function environmentHasClusters(environment: Environment): boolean {
  return ENTRANCES.some((name) => environment.has(name));
}

/**
 * Reads the clusters that variables describe: `PROXMOX_CLUSTERS=a,b` with `PROXMOX_CLUSTER_<name>_…`, or one cluster
 * from `PROXMOX_…`. Problems go to the environment's list.
 *
 * @param folder the working directory
 */
export function readEnvironmentClusters(environment: Environment, folder: string): ClusterSet {
  const warnings: string[] = [];
  const names = environment.list(NAMES);
  if (names === undefined) {
    const cluster = readCluster(environment, SINGLE_CLUSTER, 'PROXMOX_', folder, warnings);
    return { clusters: cluster === undefined ? [] : [cluster], defaultCluster: SINGLE_CLUSTER, warnings };
  }
  if (names.length === 0) environment.problem(NAMES, 'holds no name');
  if (new Set(names).size < names.length) environment.problem(NAMES, 'holds a name twice');
  const clusters = names.flatMap((name) => {
    if (!CLUSTER_NAME.test(name)) {
      environment.problem(NAMES, `each name ${CLUSTER_NAME_RULE}`);
      return [];
    }
    return readCluster(environment, name, `PROXMOX_CLUSTER_${name}_`, folder, warnings) ?? [];
  });
  checkUnknown(environment, names, warnings);
  checkPatterns(environment, names, warnings);
  const first = names[0];
  return { clusters, ...(first === undefined ? {} : { defaultCluster: first }), warnings };
}

function readCluster(
  environment: Environment,
  name: string,
  prefix: string,
  folder: string,
  warnings: string[],
): ClusterConfig | undefined {
  const urlVariable = urlName(environment, prefix);
  const url = environment.text(urlVariable);
  if (url === undefined) {
    if (!environment.has(urlVariable)) environment.problem(urlVariable, 'is missing', name);
    return undefined;
  }
  const variable = (key: keyof ClusterEntry) =>
    key === 'url'
      ? urlVariable
      : `${prefix}${key in SUFFIXES ? SUFFIXES[key as keyof typeof SUFFIXES] : key}`;
  const context: EntryContext = {
    name,
    folder,
    environment,
    problem: (key, message) => {
      environment.problem(variable(key), message, name);
    },
    warn: (message) => warnings.push(message),
  };
  const config = clusterConfig({ url, ...readEntry(environment, prefix) }, context);
  if (config === undefined) return undefined;
  return withCa(config, environment, `${prefix}${SUFFIXES.ca_file}`);
}

/** The older single form says PROXMOX_HOST; both at once would leave open which one counts. */
function urlName(environment: Environment, prefix: string): string {
  const name = `${prefix}${SUFFIXES.url}`;
  if (prefix !== 'PROXMOX_' || !environment.has('PROXMOX_HOST')) return name;
  if (environment.has(name)) environment.problem('PROXMOX_HOST', `is set beside ${name}; keep one`);
  return 'PROXMOX_HOST';
}

function readEntry(environment: Environment, prefix: string): Omit<ClusterEntry, 'url'> {
  const entry: Omit<ClusterEntry, 'url'> = {};
  for (const key of ['verify_ssl', 'read_only', 'validate'] as const) {
    const value = environment.boolean(`${prefix}${SUFFIXES[key]}`);
    if (value !== undefined) entry[key] = value;
  }
  const texts = [
    'token_id',
    'token_secret',
    'user',
    'password',
    'fingerprint',
    'default_node',
    'default_storage',
    'default_bridge',
    'region',
    'tier',
  ] as const;
  for (const key of texts) {
    const value = environment.text(`${prefix}${SUFFIXES[key]}`);
    if (value !== undefined) entry[key] = value;
  }
  return entry;
}

/** `…_CA` holds PEM text, so that `…_CA_FILE` is the path of a mounted file as with every variable. */
function withCa(config: ClusterConfig, environment: Environment, variable: string): ClusterConfig {
  const pem = environment.text(variable);
  if (pem === undefined) return config;
  try {
    return { ...config, tls: { ...config.tls, ca: checkedCertificates(pem) } };
  } catch (error) {
    environment.problem(variable, error instanceof Error ? error.message : 'is not valid', config.name);
    return config;
  }
}

/** A mistyped variable is silent otherwise: the cluster would run without its fingerprint or read-only mark. */
function checkUnknown(environment: Environment, names: readonly string[], warnings: string[]): void {
  const suffixes: readonly string[] = Object.values(SUFFIXES);
  const known = new Set(
    names.flatMap((name) =>
      suffixes.flatMap((suffix) => [
        `PROXMOX_CLUSTER_${name}_${suffix}`,
        `PROXMOX_CLUSTER_${name}_${suffix}_FILE`,
      ]),
    ),
  );
  for (const variable of new Set(environment.names())) {
    if (!variable.startsWith('PROXMOX_CLUSTER_') || known.has(variable)) continue;
    if (variable === PATTERNS || variable === `${PATTERNS}_FILE`) continue;
    const owner = names.find((name) => variable.startsWith(`PROXMOX_CLUSTER_${name}_`));
    const nearest = didYouMean(variable, known);
    if (owner !== undefined) environment.problem(variable, `is not a known variable.${nearest}`, owner);
    // Only a warning: PROXMOX_CLUSTERS may name some of the clusters that .env describes.
    else warnings.push(`${variable} belongs to no cluster of ${NAMES}.${nearest}`);
  }
}

/** PROXMOX_CLUSTER_PATTERNS: JSON, or `prod-:production,stg-:staging`. Its form is checked; a later version uses it. */
function checkPatterns(environment: Environment, names: readonly string[], warnings: string[]): void {
  const text = environment.text(PATTERNS);
  if (text === undefined) return;
  const targets = text.trim().startsWith('{') ? jsonTargets(text) : pairTargets(text);
  if (targets === undefined) {
    environment.problem(
      PATTERNS,
      'must be a JSON object of texts, or pairs such as prod-:production,stg-:staging',
    );
  } else {
    const unknown = targets.find((target) => !names.includes(target));
    if (unknown !== undefined) environment.problem(PATTERNS, `names a cluster that is not in ${NAMES}`);
  }
  warnings.push(`${PATTERNS} is not used by this version yet`);
}

function jsonTargets(text: string): string[] | undefined {
  try {
    const targets = Object.values(JSON.parse(text));
    return targets.every((target) => typeof target === 'string') ? targets : undefined;
  } catch {
    return undefined;
  }
}

function pairTargets(text: string): string[] | undefined {
  const targets = text.split(',').map((pair) => /^.+:(?<cluster>[^:]+)$/.exec(pair.trim())?.groups?.cluster);
  return targets.every((target) => target !== undefined) ? targets : undefined;
}

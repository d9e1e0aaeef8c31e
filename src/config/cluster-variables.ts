import type { ClusterEntry } from './clusters-schema.ts';
import type { Environment } from './environment.ts';
import { didYouMean } from './nearest.ts';

/** Lists the clusters, the default first. */
export const NAMES = 'PROXMOX_CLUSTERS';
/** Patterns of all clusters: JSON, or `prod-:production,stg-:staging`. */
export const PATTERNS = 'PROXMOX_CLUSTER_PATTERNS';
/** Before the keys of the only cluster, in the form without names. */
export const SINGLE_PREFIX = 'PROXMOX_';
const SINGLE_HOST = 'PROXMOX_HOST';

/** The variables of a cluster, behind `PROXMOX_CLUSTER_<name>_` or `PROXMOX_`, and the keys they stand for. */
export const SUFFIXES = {
  url: 'API_URL',
  endpoints: 'ENDPOINTS',
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
  patterns: 'PATTERNS',
  vmids: 'VMIDS',
  fallback: 'FALLBACK',
  prices: 'PRICES',
  read_only: 'READ_ONLY',
  validate: 'VALIDATE',
} as const satisfies Record<keyof ClusterEntry, string>;

/** A key of a cluster in clusters.json. */
export type ClusterKey = keyof typeof SUFFIXES;

/** Any one of these describes clusters. */
const ENTRANCES = [NAMES, `${SINGLE_PREFIX}${SUFFIXES.url}`, SINGLE_HOST];

/** The variables of the only cluster, in the form without names. */
const SINGLE_VARIABLES: readonly string[] = [
  SINGLE_HOST,
  ...Object.values(SUFFIXES).map((suffix) => `${SINGLE_PREFIX}${suffix}`),
];

/** The variables that are read beside `PROXMOX_CLUSTER_<name>_…`, whichever way clusters are described. */
export const TOP_VARIABLES: readonly string[] = [NAMES, PATTERNS, ...SINGLE_VARIABLES];

/** Whether variables describe a cluster at all. */
export function environmentHasClusters(environment: Environment): boolean {
  return ENTRANCES.some((name) => environment.has(name));
}

/** Whether a variable, NAME_FILE forms included, takes part in describing clusters. */
export function isClusterVariable(name: string): boolean {
  return name.startsWith('PROXMOX_CLUSTER_') || TOP_VARIABLES.includes(name.replace(/_FILE$/, ''));
}

/** What comes before the suffixes of a named cluster. */
export function prefixOf(name: string): string {
  return `PROXMOX_CLUSTER_${name}_`;
}

/** The variable of a key. Without names, the older PROXMOX_HOST may stand for PROXMOX_API_URL. */
export function variableOf(environment: Environment, prefix: string, key: ClusterKey): string {
  if (key === 'url' && prefix === SINGLE_PREFIX && environment.has(SINGLE_HOST)) return SINGLE_HOST;
  return `${prefix}${SUFFIXES[key]}`;
}

/** Variables of the form that was not chosen: each is named, so that none is ignored without a word. */
export function ignoredVariables(environment: Environment, names: readonly string[] | undefined): string[] {
  const set = [...new Set(environment.names())];
  const ignored = set.filter((variable) =>
    names === undefined
      ? variable.startsWith('PROXMOX_CLUSTER_')
      : SINGLE_VARIABLES.includes(variable.replace(/_FILE$/, '')),
  );
  if (ignored.length === 0) return [];
  const list = ignored.join(', ');
  return names === undefined
    ? [`${list}: ignored, because ${NAMES}, which lists the names of the clusters, is not set`]
    : [`${list}: ignored, because ${NAMES} is set, and its clusters have variables of their own`];
}

/** A mistyped variable is silent otherwise: the cluster would run without its fingerprint or read-only mark. */
export function checkUnknown(environment: Environment, names: readonly string[], warnings: string[]): void {
  const known = new Set(
    names.flatMap((name) => Object.values(SUFFIXES).map((suffix) => `${prefixOf(name)}${suffix}`)),
  );
  for (const variable of new Set(environment.names())) {
    const base = variable.replace(/_FILE$/, '');
    if (!variable.startsWith('PROXMOX_CLUSTER_') || known.has(base) || base === PATTERNS) continue;
    const nearest = didYouMean(variable, known);
    const owner = ownerOf(variable, names);
    if (owner !== undefined && !endsInSuffix(base)) {
      environment.problem(variable, `is not a known variable.${nearest}`, owner);
    } else {
      // Only a warning: PROXMOX_CLUSTERS may name some of the clusters that .env describes.
      warnings.push(`${variable} belongs to no cluster of ${NAMES}.${nearest}`);
    }
  }
}

/** Of `prod` and `prod_eu` the longer one: a name may begin as another one does. */
function ownerOf(variable: string, names: readonly string[]): string | undefined {
  return names
    .filter((name) => variable.startsWith(prefixOf(name)))
    .toSorted((a, b) => b.length - a.length)[0];
}

/** PROXMOX_CLUSTER_prod_eu_TIER is no slip in a variable of `prod`, but one of a cluster `prod_eu` that is not listed. */
function endsInSuffix(base: string): boolean {
  return Object.values(SUFFIXES).some((suffix) => base.endsWith(`_${suffix}`));
}

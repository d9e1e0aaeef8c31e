import type { ClusterKey } from './cluster-variables.ts';
import type { ClusterConfig, Config } from './config.ts';
import type { DescribedCluster } from './described.ts';
import { formatEndpoint } from './endpoint.ts';
import { DEFAULT_ORIGIN, type Environment } from './environment.ts';
import type { ExplainedConfig } from './load.ts';
import { formatPrices } from './prices.ts';
import { formatVmidRange, formatVmids } from './vmids.ts';

/** One value as it counts, and where it comes from. A secret is `set`, `sealed` or `not set`. */
export interface EffectiveValue {
  name: string;
  value: string;
  /** `clusters.json`, `.env (NAME)`, `environment (NAME)`, `/path (NAME_FILE)`, a path, or `default`. */
  origin: string;
}

/** A configuration as it counts, without any secret. */
export interface EffectiveConfig {
  settings: EffectiveValue[];
  clusters: { name: string; values: EffectiveValue[] }[];
  /** What leads to which cluster, in the order of precedence: patterns, then VMIDs, then the default. */
  selection: Selects[];
  warnings: string[];
}

/** One thing that selects a cluster. */
export interface Selects {
  by: 'single' | 'pattern' | 'vmid' | 'default';
  /** The pattern or the range; empty for the default. */
  what: string;
  cluster: string;
  origin: string;
}

const NOT_SET = 'not set';

/** A key, its value, and its origin where that is not the one of the key. */
type Row = [key: ClusterKey, value: string | undefined, origin?: string | undefined];

/** @param names variables of the service, those that are not set included */
export function effectiveConfig(
  { config, clusters, environment }: ExplainedConfig,
  names: Iterable<string>,
): EffectiveConfig {
  const described = new Map(clusters.described.map((cluster) => [cluster.name, cluster]));
  return {
    settings: [...names].map((name) => setting(name, config, environment)),
    clusters: config.clusters.map((cluster) => ({
      name: cluster.name,
      values: clusterValues(cluster, described.get(cluster.name), config.readOnly, environment),
    })),
    selection: selection(config, described, clusters.defaultOrigin),
    warnings: [...config.warnings],
  };
}

/** How the value of a variable counts; the others count as they stand. */
const SETTINGS: Readonly<Record<string, (config: Config) => string | undefined>> = {
  MCP_HOST: ({ http }) => http.host,
  MCP_PORT: ({ http }) => String(http.port),
  MCP_PUBLIC_URL: ({ http }) => http.publicUrl,
  MCP_ALLOWED_HOSTS: ({ http }) => http.allowedHosts.join(', '),
  MCP_ALLOWED_ORIGINS: ({ http }) => http.allowedOrigins.join(', ') || 'none',
  MCP_TRUSTED_PROXIES: ({ http }) => http.trustedProxies.join(', ') || 'none',
  MCP_RATE_LIMIT_PER_ADDRESS: ({ http }) => String(http.limits.perAddress),
  MCP_RATE_LIMIT_PER_PRINCIPAL: ({ http }) => String(http.limits.perPrincipal),
  MCP_FAILED_LOGINS_PER_MINUTE: ({ http }) => String(http.limits.failedLogins),
  MCP_METRICS: ({ http: { metrics } }) => {
    if (metrics === undefined) return 'off';
    return metrics.token === undefined ? 'open' : 'token';
  },
  MCP_READ_ONLY: ({ readOnly }) => String(readOnly),
  MCP_TOOLSETS: ({ toolsets }) => [...toolsets].join(', '),
  LOG_LEVEL: ({ logLevel }) => logLevel,
  CACHE_DIR: ({ cacheDir }) => cacheDir,
  STATE_FILE: ({ stateFile }) => stateFile,
  CLUSTER_TTL_SECONDS: ({ clusterTtlSeconds }) => String(clusterTtlSeconds),
  CLUSTER_VALIDATION: ({ clusterValidation }) => String(clusterValidation),
  ALERT_INTERVAL_SECONDS: ({ alerts }) => String(alerts.intervalSeconds),
  ALERT_STORAGE_PERCENT: ({ alerts: { storagePercent: percent } }) =>
    `${percent.warning},${percent.critical}`,
  ALERT_CERTIFICATE_DAYS: ({ alerts }) => String(alerts.certificateDays),
  ALERT_TOKEN_DAYS: ({ alerts }) => String(alerts.tokenDays),
  ALERT_BACKUP_AGE_DAYS: ({ alerts }) => String(alerts.backupAgeDays),
};
const DEFAULTS: Readonly<Record<string, string>> = {
  MCP_AUTH: 'jwt',
  MCP_JWT_AUDIENCE: 'proxmox-mcp',
  MCP_JWT_GROUPS_CLAIM: 'groups',
  CLUSTERS_FILE: 'clusters.json',
  OTEL_SERVICE_NAME: 'proxmox-mcp',
  OTEL_TRACES_SAMPLER: 'parentbased_always_on',
  OTEL_TRACES_SAMPLER_ARG: '1',
  OTEL_SDK_DISABLED: 'false',
};
/** Beside those that were asked for as secrets: settings of authentication may be unread. A certificate is long. */
const SECRET_NAME = /SECRET|PASSWORD|TOKEN|_KEY$|TLS_CERT$/;
const URL_WITH_USER = /:\/\/[^/\s]*@/;

function setting(name: string, config: Config, environment: Environment): EffectiveValue {
  const origin = environment.origin(name);
  if (environment.isSecret(name) || SECRET_NAME.test(name)) {
    return { name, value: environment.has(name) ? 'set' : NOT_SET, origin };
  }
  const value = SETTINGS[name]?.(config) ?? environment.text(name) ?? DEFAULTS[name] ?? NOT_SET;
  return { name, value: URL_WITH_USER.test(value) ? 'set' : value, origin };
}

function clusterValues(
  cluster: ClusterConfig,
  described: DescribedCluster | undefined,
  allReadOnly: boolean,
  environment: Environment,
): EffectiveValue[] {
  const origin = (key: ClusterKey): string => described?.origins.get(key) ?? DEFAULT_ORIGIN;
  const hidesReadOnly = allReadOnly && !cluster.readOnly;
  const rows: Row[] = [
    ...endpointRows(cluster),
    ...credentialRows(cluster, described),
    ['verify_ssl', String(cluster.tls.verify)],
    ['fingerprint', cluster.tls.fingerprint],
    ['ca_file', cluster.tls.ca && (described?.entry.ca_file ?? 'PEM text')],
    ['default_node', cluster.defaultNode],
    ['default_storage', cluster.defaultStorage],
    ['default_bridge', cluster.defaultBridge],
    ['region', cluster.region],
    ['tier', cluster.tier],
    ...patternRows(cluster, described),
    ['vmids', formatVmids(cluster.vmids) || undefined],
    ['fallback', cluster.fallback],
    ['prices', cluster.prices && formatPrices(cluster.prices)],
    [
      'read_only',
      String(cluster.readOnly || allReadOnly),
      hidesReadOnly ? environment.origin('MCP_READ_ONLY') : undefined,
    ],
    ['validate', String(cluster.validate)],
  ];
  return rows.flatMap(([name, value, from = origin(name)]) =>
    value === undefined ? [] : [{ name, value, origin: from }],
  );
}

function endpointRows({ endpoints }: ClusterConfig): Row[] {
  const shown = endpoints.map((endpoint) =>
    endpoint.fingerprint === undefined
      ? formatEndpoint(endpoint)
      : `${formatEndpoint(endpoint)} = ${endpoint.fingerprint}`,
  );
  return shown.map((text, index) => [index === 0 ? 'url' : 'endpoints', text]);
}

function credentialRows({ credentials }: ClusterConfig, described: DescribedCluster | undefined): Row[] {
  const userKey = described?.entry.user === undefined ? 'token_id' : 'user';
  const user: Row = ['user', credentials.user, described?.origins.get(userKey) ?? DEFAULT_ORIGIN];
  if (credentials.kind === 'password') return [user, ['password', stateOf(described?.entry.password)]];
  return [user, ['token_id', credentials.tokenId], ['token_secret', stateOf(described?.entry.token_secret)]];
}

function stateOf(source: unknown): string {
  return typeof source === 'object' && source !== null && 'sealed' in source ? 'sealed' : 'set';
}

function patternRows({ patterns }: ClusterConfig, described: DescribedCluster | undefined): Row[] {
  return patterns.map((text) => ['patterns', text, described?.patternOrigins.get(text) ?? DEFAULT_ORIGIN]);
}

function selection(
  { clusters, defaultCluster }: Config,
  described: ReadonlyMap<string, DescribedCluster>,
  defaultOrigin = DEFAULT_ORIGIN,
): Selects[] {
  const [only, ...others] = clusters;
  // With one cluster nothing is asked: patterns and VMIDs decide nothing.
  if (only !== undefined && others.length === 0) {
    return [{ by: 'single', what: 'every call', cluster: only.name, origin: 'the only cluster' }];
  }
  const patterns = clusters.flatMap(({ name, patterns: own }) =>
    own.map((what): Selects => {
      const origin = described.get(name)?.patternOrigins.get(what) ?? DEFAULT_ORIGIN;
      return { by: 'pattern', what, cluster: name, origin };
    }),
  );
  const vmids = clusters.flatMap(({ name, vmids: own }) =>
    own.map((range): Selects => {
      const origin = described.get(name)?.origins.get('vmids') ?? DEFAULT_ORIGIN;
      return { by: 'vmid', what: formatVmidRange(range), cluster: name, origin };
    }),
  );
  const rest: Selects[] =
    defaultCluster === undefined
      ? []
      : [
          {
            by: 'default',
            what: 'what nothing else selects',
            cluster: defaultCluster,
            origin: defaultOrigin,
          },
        ];
  return [...patterns, ...vmids, ...rest];
}

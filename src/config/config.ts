import type { PolicyFile } from './policy-schema.ts';
import type { Secret } from './secret.ts';
import type { Toolset } from './toolsets.ts';

/** The validated configuration of one process. Made by `loadConfig`, never changed afterwards. */
export interface Config {
  http: HttpConfig;
  auth: AuthConfig;
  /** MCP_READ_ONLY: nothing but GET leaves, whatever a token allows. */
  readOnly: boolean;
  /** MCP_TOOLSETS: which tools are offered beside those that always are. */
  toolsets: ReadonlySet<Toolset>;
  logLevel: LogLevel;
  /** Absent where nothing is traced. */
  tracing?: TracingConfig;
  /**
   * CACHE_DIR: absolute path of the folder for what can be fetched anew, such as API schemas; made on first use.
   * Absent where the user has no home: nothing is then kept over a restart.
   */
  cacheDir?: string;
  /**
   * STATE_FILE: absolute path of the file for keys, revocations, approvals, jobs, runs and schedules. Without one nothing
   * outlives the process.
   */
  stateFile?: string;
  /** REDIS_URL: what several replicas share; absent where there is one. */
  redisUrl?: Secret;
  /** MCP_REPLICA_URL: where the other replicas reach this one, without a trailing slash; else it is where it listens. */
  replicaUrl?: string;
  /** POLICY_FILE: absolute path. Without one the scopes of a token alone say what it allows. */
  policyFile?: string;
  /** What stands in it, checked. */
  policy?: PolicyFile;
  /** AUDIT_FILE and what goes with it; without one, calls stand in the log alone. */
  audit?: AuditConfig;
  clusters: ClusterConfig[];
  /** The cluster used when a call names none; only set where one is certain. */
  defaultCluster?: string;
  /** CLUSTER_TTL_SECONDS: how long the client of a cluster (connections, tickets, what was learned) is used. */
  clusterTtlSeconds: number;
  /** CLUSTER_VALIDATION: whether the start asks every cluster whether it answers. */
  clusterValidation: boolean;
  /** What is watched, and who is told of it. */
  alerts: AlertConfig;
  /** Absolute path of the clusters.json that describes the clusters; absent where variables do. */
  clustersFile?: string;
  /** Absolute paths of every file that was read, or would be if it were there: a change of one is a new configuration. */
  files: string[];
  /** Every secret that a variable held, also those of no other field, such as CLUSTERS_KEY: for the redaction. */
  secrets?: readonly Secret[];
  /** What the operator should know: a world-readable file, a setting that another one hides. No secrets. */
  warnings: string[];
}

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface HttpConfig {
  host: string;
  port: number;
  /** MCP_PUBLIC_URL: where clients reach the service, without a trailing slash. */
  publicUrl?: string;
  /** Allowed Host headers: `host`, `host:port`, `host:*`, `*.domain`. */
  allowedHosts: string[];
  allowedOrigins: string[];
  /** MCP_TRUSTED_PROXIES: addresses and networks whose X-Forwarded-For says where a request comes from. */
  trustedProxies: string[];
  limits: RateLimits;
  /** MCP_TLS_CERT and MCP_TLS_KEY: with them the service speaks https itself. */
  tls?: TlsConfig;
  /** Who may read `/metrics`; absent where nobody may. */
  metrics?: MetricsConfig;
}

/** A certificate and its key, which were found to belong together. */
export interface TlsConfig {
  /** PEM: the certificate, then those of the authorities between it and the root. */
  cert: string;
  key: Secret;
  /** SHA-256 of the certificate, upper-case hex pairs joined by colons. */
  fingerprint: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

/** MCP_METRICS and MCP_METRICS_TOKEN. */
export interface MetricsConfig {
  /** What a scrape has to show; without one, whoever reaches the port may read. */
  token?: Secret;
}

/** Where traces go: the standard OTEL_… variables. */
export interface TracingConfig {
  /** The whole address for traces. */
  url: string;
  headers?: Readonly<Record<string, Secret>>;
  serviceName: string;
  sampler: TracingSampler;
}

export interface TracingSampler {
  kind:
    | 'always_on'
    | 'always_off'
    | 'traceidratio'
    | 'parentbased_always_on'
    | 'parentbased_always_off'
    | 'parentbased_traceidratio';
  /** 0 to 1; counts for those of a ratio. */
  ratio: number;
}

/** Requests a minute; 0 is without a limit. */
export interface RateLimits {
  /** MCP_RATE_LIMIT_PER_ADDRESS: those without a credential that is known to be good. */
  perAddress: number;
  /** MCP_RATE_LIMIT_PER_PRINCIPAL */
  perPrincipal: number;
  /** MCP_FAILED_LOGINS_PER_MINUTE: refused credentials of one address, until it is told no more than to wait. */
  failedLogins: number;
}

export interface AuditConfig {
  /** AUDIT_FILE: absolute path. */
  path: string;
  /** AUDIT_KEY: keys the chain, 32 bytes or more. */
  key?: Secret;
  /** AUDIT_MAX_BYTES: of one file. */
  maxBytes?: number;
}

/** When something is worth an alert, and where alerts go. */
export interface AlertConfig {
  /** ALERT_WEBHOOK_URL: where alerts are sent; it may hold a secret. */
  webhookUrl?: Secret;
  /** ALERT_WEBHOOK_SECRET: signs what is sent, 32 bytes or more. */
  webhookSecret?: Secret;
  /** ALERT_INTERVAL_SECONDS: between two looks at a cluster; 0 where nothing is watched. */
  intervalSeconds: number;
  /** ALERT_STORAGE_PERCENT: use of a storage from which it is a warning, and critical. */
  storagePercent: { warning: number; critical: number };
  /** ALERT_CERTIFICATE_DAYS: how long before its end a certificate is spoken of. */
  certificateDays: number;
  /** ALERT_TOKEN_DAYS: the same of API tokens, and of credentials that were issued here. */
  tokenDays: number;
  /** ALERT_BACKUP_AGE_DAYS: how old a guest's newest backup may be; 0 where that is not looked at. */
  backupAgeDays: number;
}

/** How clients prove who they are. All but `none` also take what the state file knows: own tokens and API keys. */
export type AuthConfig =
  | { mode: 'none' }
  | ({
      mode: 'shared-secret';
      secret: Secret;
      /** MCP_JWT_SECRET_PREVIOUS: tokens that it signed are still accepted. */
      previous?: Secret;
      issuer?: string;
    } & ClaimConfig)
  | ({ mode: 'jwks'; jwksUrl: string; issuer: string } & ClaimConfig)
  /** Neither of the two is configured: own tokens and API keys alone. */
  | ({ mode: 'own-keys'; issuer?: string } & ClaimConfig);

export interface ClaimConfig {
  /** MCP_JWT_AUDIENCE: what a token's `aud` must hold. */
  audience: string;
  /** MCP_JWT_GROUPS_CLAIM: the claim with the groups, or a path such as `realm_access.roles`; else `groups`. */
  groupsClaim?: string;
}

export interface ClusterConfig {
  name: string;
  /** The nodes that answer for this cluster; the first is preferred. */
  endpoints: Endpoint[];
  credentials: ClusterCredentials;
  tls: ClusterTls;
  defaultNode?: string;
  defaultStorage?: string;
  defaultBridge?: string;
  region?: string;
  tier?: string;
  /** Names that belong here: a prefix (`prod-`), a glob (`web-*-prod`) or `/a regular expression/`. */
  patterns: readonly string[];
  /** VMIDs that belong here. */
  vmids: readonly VmidRange[];
  /** The cluster that may serve reads while this one is unreachable. */
  fallback?: string;
  readOnly: boolean;
  /** What guests cost here, for cost_report. */
  prices?: ClusterPrices;
  /**
   * Whether calls are held against the cluster's API schema before they are sent. False is for an operator whose
   * cluster has calls that no schema describes; Proxmox VE verifies them all the same.
   */
  validate: boolean;
}

/** Of an hour, in the currency; what has no price costs nothing. There is one price at least. */
export interface ClusterPrices {
  /** `EUR`. */
  currency: string;
  vcpuHour?: number;
  memoryGibHour?: number;
  storageGibHour?: number;
}

/** VMIDs from one to another, both counted in; a single one has both alike. */
export interface VmidRange {
  from: number;
  to: number;
}

export interface Endpoint {
  /** Host name or address; IPv6 without brackets. */
  host: string;
  port: number;
  /** This node's own pin, where it differs from the cluster's: every node has a certificate of its own. */
  fingerprint?: string;
}

export type ClusterCredentials =
  | { kind: 'token'; user: string; tokenId: string; secret: Secret }
  | { kind: 'password'; user: string; password: Secret };

export interface ClusterTls {
  /** False accepts any certificate; a pinned fingerprint still has to match. */
  verify: boolean;
  /** SHA-256 of the certificate, upper-case hex pairs joined by colons. */
  fingerprint?: string;
  /** PEM text of the CA that signs the cluster's certificates. */
  ca?: string;
}

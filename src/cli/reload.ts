import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { Logger } from 'pino';
import type { EstateChange } from '../clusters/manager.ts';
import type { Config } from '../config/config.ts';
import { type LoadOptions, loadConfig } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';
import { secretsOf } from '../config/secrets-of.ts';
import { FileWatch } from '../config/watch.ts';
import type { Core } from './compose.ts';

export interface ReloadOptions {
  /** What the configuration was loaded from at the start, and is loaded from again. */
  source: LoadOptions;
  /** The configuration in use. */
  config: Config;
  core: Pick<Core, 'apply'>;
  logger: Logger;
  /** Called with each configuration that has come into use, and with what it changed of the clusters. */
  onApplied?: (config: Config, change: EstateChange) => void;
  /** Called where a file or a SIGHUP asks for a reload: other replicas look at their files too. */
  tellOthers?: (() => void) | undefined;
  /** Called on a SIGHUP that says that the terminal of the process was closed. */
  onHangUp: () => void;
}

/**
 * Keeps a running service up to date: loads the configuration again when one of its files changes and on SIGHUP. One
 * that is wrong is not used.
 */
export class Reloading {
  readonly #options: ReloadOptions;
  readonly #files: FileWatch;
  readonly #hasTerminal = hasTerminal();
  readonly #started: Config;
  #inUse: Config;
  #isClosed = false;

  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#started = options.config;
    this.#inUse = options.config;
    this.#files = new FileWatch(options.config.files, {
      onChange: () => this.#asked(),
      onProblem: (error) =>
        options.logger.warn(
          { reason: error instanceof Error ? error.message : String(error) },
          'the system does not report changes of the configuration files: they are looked at every 30 seconds',
        ),
    });
    process.on('SIGHUP', this.#onSignal);
  }

  /** Loads the configuration and takes it into use; where it can't be used, logs why and keeps the one in use. */
  reload(): void {
    if (this.#isClosed) return;
    const { source, core, logger, onApplied } = this.#options;
    const before = this.#inUse;
    try {
      // All of it is synchronous, so that no two of them overlap.
      // Some editors and copies take a file away for a moment, and an old `.env` may describe other clusters.
      const next = loadConfig({ ...source, clustersFile: before.clustersFile });
      const change = core.apply(next);
      this.#inUse = next;
      this.#files.follow(next.files);
      onApplied?.(next, change);
      this.#report(before, next, change);
    } catch (error) {
      const isWrong = error instanceof ConfigError;
      // What is wrong may be in a file that the configuration in use does not have.
      if (isWrong) this.#files.follow([...before.files, ...error.files]);
      logger.error(
        isWrong ? { problems: error.problems } : { err: error },
        'the new configuration can not be used: the configuration in use stays',
      );
    }
  }

  /** Ends the watch; nothing is reloaded afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    process.off('SIGHUP', this.#onSignal);
    await this.#files.close();
  }

  readonly #onSignal = (): void => {
    // A service that somebody tries in a terminal has to end with it, or it keeps its port for ever.
    if (this.#hasTerminal && !hasTerminal()) this.#options.onHangUp();
    else this.#asked();
  };

  #asked(): void {
    this.reload();
    if (!this.#isClosed) this.#options.tellOthers?.();
  }

  #report(before: Config, next: Config, change: EstateChange): void {
    const { logger } = this.#options;
    const waiting = differences(this.#started, next, AT_START);
    const settings = differences(before, next, LIVE).filter((name) => !waiting.includes(name));
    const isSame = [...settings, ...change.added, ...change.removed, ...change.changed].length === 0;
    if (isSame) logger.info('configuration reloaded: nothing changed');
    else logger.info({ ...change, settings }, 'configuration reloaded');
    for (const warning of next.warnings) logger.warn(warning);
    if (waiting.length > 0) {
      logger.warn({ settings: waiting }, 'these settings have changed and take effect with a restart');
    }
  }
}

type Settings = Readonly<Record<string, (config: Config) => unknown>>;

/** Settings that a reload brings into use, beside the clusters themselves. */
const LIVE: Settings = {
  default_cluster: (config) => config.defaultCluster,
  MCP_READ_ONLY: (config) => config.readOnly,
  MCP_TOOLSETS: (config) => [...config.toolsets].join(),
  POLICY_FILE: (config) => JSON.stringify(config.policy),
  LOG_LEVEL: (config) => config.logLevel,
  CLUSTER_TTL_SECONDS: (config) => config.clusterTtlSeconds,
  ALERT_STORAGE_PERCENT: ({ alerts: { storagePercent: percent } }) =>
    `${percent.warning},${percent.critical}`,
  ALERT_CERTIFICATE_DAYS: ({ alerts }) => alerts.certificateDays,
  ALERT_TOKEN_DAYS: ({ alerts }) => alerts.tokenDays,
  ALERT_BACKUP_AGE_DAYS: ({ alerts }) => alerts.backupAgeDays,
  MCP_TLS_CERT: ({ http }) => http.tls?.fingerprint,
  MCP_JWT_SECRET: ({ auth }) => ('secret' in auth ? auth.secret.reveal() : undefined),
  MCP_JWT_SECRET_PREVIOUS: ({ auth }) => ('previous' in auth ? auth.previous?.reveal() : undefined),
};

/** Settings that are read once: an address is listened on, tokens are judged, a folder is in use. */
const AT_START: Settings = {
  MCP_HOST: ({ http }) => http.host,
  MCP_PORT: ({ http }) => http.port,
  MCP_PUBLIC_URL: ({ http }) => http.publicUrl,
  MCP_ALLOWED_HOSTS: ({ http }) => http.allowedHosts.join(),
  MCP_ALLOWED_ORIGINS: ({ http }) => http.allowedOrigins.join(),
  MCP_TRUSTED_PROXIES: ({ http }) => http.trustedProxies.join(),
  MCP_RATE_LIMIT_PER_ADDRESS: ({ http }) => http.limits.perAddress,
  MCP_RATE_LIMIT_PER_PRINCIPAL: ({ http }) => http.limits.perPrincipal,
  MCP_FAILED_LOGINS_PER_MINUTE: ({ http }) => http.limits.failedLogins,
  MCP_AUTH: ({ auth }) => auth.mode === 'none',
  MCP_JWT_SECRET: ({ auth }) => 'secret' in auth,
  MCP_TLS_CERT: ({ http }) => http.tls !== undefined,
  MCP_JWKS_URL: ({ auth }) => ('jwksUrl' in auth ? auth.jwksUrl : undefined),
  MCP_JWT_ISSUER: ({ auth }) => ('issuer' in auth ? auth.issuer : undefined),
  MCP_JWT_AUDIENCE: ({ auth }) => ('audience' in auth ? auth.audience : undefined),
  MCP_JWT_GROUPS_CLAIM: ({ auth }) => ('groupsClaim' in auth ? auth.groupsClaim : undefined),
  MCP_METRICS: ({ http: { metrics } }) => metrics && metrics.token !== undefined,
  MCP_METRICS_TOKEN: ({ http: { metrics } }) => metrics?.token?.reveal(),
  OTEL_EXPORTER_OTLP_ENDPOINT: ({ tracing }) => tracing?.url,
  OTEL_EXPORTER_OTLP_HEADERS: ({ tracing }) => secretsOf(tracing).join(),
  OTEL_SERVICE_NAME: ({ tracing }) => tracing?.serviceName,
  OTEL_TRACES_SAMPLER: ({ tracing }) => tracing?.sampler.kind,
  OTEL_TRACES_SAMPLER_ARG: ({ tracing }) => tracing?.sampler.ratio,
  AUDIT_FILE: ({ audit }) => audit?.path,
  AUDIT_KEY: ({ audit }) => audit?.key?.reveal(),
  AUDIT_MAX_BYTES: ({ audit }) => audit?.maxBytes,
  ALERT_WEBHOOK_URL: ({ alerts }) => alerts.webhookUrl?.reveal(),
  ALERT_WEBHOOK_SECRET: ({ alerts }) => alerts.webhookSecret?.reveal(),
  ALERT_INTERVAL_SECONDS: ({ alerts }) => alerts.intervalSeconds,
  STATE_FILE: (config) => config.stateFile,
  REDIS_URL: (config) => config.redisUrl?.reveal(),
  MCP_REPLICA_URL: (config) => config.replicaUrl,
  CACHE_DIR: (config) => config.cacheDir,
};

/** Names of the settings that differ; never their values. */
function differences(before: Config, after: Config, settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, read]) => (read(before) === read(after) ? [] : [name]));
}

/** Whether a terminal is attached. `nohup` redirects all three streams, and then none is. */
function hasTerminal(): boolean {
  if (![0, 1, 2].some((stream) => isatty(stream))) return false;
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Config, HttpConfig } from '../config/config.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { derivedReplicaUrl } from '../config/replica-url.ts';
import { renewCertificate } from '../http/tls.ts';
import { openAudit } from './audit-record.ts';
import { type Core, composeApp, composeCore, redactionOf } from './compose.ts';
import { CliError } from './failure.ts';
import { openReplicas } from './replicas.ts';
import { validateClusters } from './validate-clusters.ts';

/** The service while it listens. */
export interface Service {
  core: Core;
  /** `http://host:port`, as a client on this machine reaches it; no trailing slash. */
  url: string;
  /** Takes the certificate of another configuration into use; open connections go on with theirs. */
  renewCertificate(config: Config): void;
  /** Resolves when every cluster was asked whether it answers; at once where CLUSTER_VALIDATION is false. */
  validated: Promise<void>;
  /** Stops accepting, lets calls in flight end, closes doors and clusters. Bounded to about 11 seconds. */
  stop(): Promise<void>;
}

/**
 * Composes the service and listens. It does so before the clusters were asked: one that is down must not keep the
 * others from being used. From then on probes keep their health up to date.
 *
 * @throws CliError that names the setting to change when the address can't be listened on
 */
export async function startService(
  config: Config,
  logger: Logger,
  redaction = redactionOf(config),
): Promise<Service> {
  const audit = await openAudit(config.audit, logger);
  const replicas = await openReplicas(config, logger);
  const core = await composeCore(config, { logger, redaction, audit, replicas });
  const app = await composeApp(config, core, logger);
  try {
    await app.listen({ host: config.http.host, port: config.http.port });
  } catch (error) {
    await Promise.allSettled([app.close(), core.close()]);
    throw listenError(error, config.http);
  }
  let inUse = config.http.tls;
  await join();
  const validated = config.clusterValidation ? validateClusters(core.clusters, logger) : Promise.resolve();
  core.clusters.startProbes();
  core.jobs.follow();
  core.scheduler.start();
  await core.alerting.start(true);
  core.clusters.onChange(({ added, changed }) => {
    const asked = new Set([...added, ...changed]);
    if (!config.clusterValidation || asked.size === 0) return;
    const list = () => core.clusters.list().filter(({ name }) => asked.has(name));
    void validateClusters({ list }, logger);
  });
  return { core, url: urlOf(app, config.http), validated, stop, renewCertificate: renew };

  function renew({ http: { tls } }: Config): void {
    if (tls === undefined || tls.fingerprint === inUse?.fingerprint) return;
    if (!renewCertificate(app.server, tls)) return;
    inUse = tls;
    void join();
    const { fingerprint, expiresAt } = tls;
    logger.info(
      { fingerprint, expires_at: new Date(expiresAt).toISOString() },
      'another certificate is in use',
    );
  }

  /** Where the others reach this replica, and which certificate it shows them. */
  async function join(): Promise<void> {
    const { host } = config.http;
    const scheme = inUse === undefined ? 'http' : 'https';
    const own = derivedReplicaUrl(host, portOf(app, config.http), scheme);
    await replicas?.registry.join(config.replicaUrl ?? own, inUse?.fingerprint);
  }

  async function stop(): Promise<void> {
    await core.scheduler.close();
    // First, so that the others send no more here, and clients begin anew elsewhere.
    await replicas?.registry.leave();
    await app.close();
    const head = core.audit?.head();
    if (head !== undefined) logger.info({ head }, 'audit record closes');
    await core.close();
  }
}

function portOf(app: FastifyInstance, http: HttpConfig): number {
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : http.port;
}

function urlOf(app: FastifyInstance, http: HttpConfig): string {
  const port = portOf(app, http);
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[http.host] ?? http.host;
  return `http${http.tls === undefined ? '' : 's'}://${formatEndpoint({ host, port })}`;
}

function listenError(error: unknown, { host, port }: HttpConfig): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const where = formatEndpoint({ host, port });
  switch (code) {
    case 'EADDRINUSE':
      return new CliError(`Port ${port} on ${host} is in use: something else listens there.`, {
        fix: `See what it is with: ss -ltnp 'sport = :${port}' — stop it, or choose another port with MCP_PORT.`,
        cause: error,
      });
    case 'EACCES':
      return new CliError(`This user may not listen on ${where}.`, {
        fix: 'Choose a port above 1023 with MCP_PORT, and put a reverse proxy in front for 80 or 443.',
        cause: error,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return new CliError(`MCP_HOST ${host} is not an address of this machine.`, {
        fix: 'Use 127.0.0.1 for this machine alone, 0.0.0.0 for every interface, or one of: ip -brief address.',
        cause: error,
      });
    default:
      return error;
  }
}

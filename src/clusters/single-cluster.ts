import type { Logger } from 'pino';
import { loadBuiltInCatalogue } from '../catalogue/builtin.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { SharedCatalogues } from '../catalogue/shared.ts';
import type { ClusterConfig } from '../config/config.ts';
import type { ClusterState } from '../observability/service-state.ts';
import type { ProxmoxCall, ProxmoxReply } from '../proxmox/call.ts';
import { Engine, type EngineDeps } from '../proxmox/engine.ts';
import { CallError } from '../proxmox/errors.ts';
import type { SharedAnswers } from '../replicas/shared-answers.ts';
import { CacheFolder } from './cache-folder.ts';
import type { Cluster } from './cluster.ts';
import { ClusterCatalogue } from './cluster-catalogue.ts';
import { HealthProbes } from './health-probes.ts';
import { InventoryCache } from './inventory-cache.ts';
import { Leases } from './leases.ts';
import { askPermissions, probeHealth, unhealthy } from './probes.ts';
import { SharedAnswer } from './shared-answer.ts';
import { stateOf } from './state-of.ts';

export interface ClusterDeps extends EngineDeps {
  logger: Logger;
  /** Where schemas are kept over restarts; in memory alone where absent. */
  cacheFolder?: CacheFolder;
  /** Gives one catalogue for all clusters, made when first needed. */
  builtIn?: () => Catalogue;
  /** One catalogue for all clusters with the same schema. */
  catalogues?: SharedCatalogues;
  /** What replicas share of the clusters' answers; absent where there is one replica. */
  sharedAnswers?: SharedAnswers | undefined;
}

/** A cluster as its owner holds it. */
export interface OwnedCluster extends Cluster {
  /** Asks every endpoint again and again whether it answers, until the cluster is retired or closed. */
  startProbes(): void;
  /** What is known of it without asking, for who watches the service. */
  state(): ClusterState;
}

const HEALTH_FRESH_MS = 10_000;
/** While probes renew it. */
const PROBED_HEALTH_FRESH_MS = 60_000;
const PERMISSIONS_FRESH_MS = 60_000;
/** An API schema is 4 MB, and nobody waits for it longer than they like. */
const DOCUMENT_MS = 60_000;

/** Opens a cluster. Nothing is connected before the first call. */
export function createCluster(config: ClusterConfig, deps: ClusterDeps): OwnedCluster {
  const { name } = config;
  const clock = deps.clock ?? Date;
  const logger = deps.logger.child({ cluster: name });
  const engine = new Engine(config, deps);
  const healthFreshMs = (): number => (probes.isRunning ? PROBED_HEALTH_FRESH_MS : HEALTH_FRESH_MS);
  const health = new SharedAnswer(() => probeHealth(engine, clock), healthFreshMs, clock);
  const probes = new HealthProbes({
    endpoints: () => engine.endpoints(),
    probe: (endpoint, options) => engine.probe(endpoint, options),
    health,
    clock,
    random: deps.random ?? Math.random,
    logger,
  });
  const permissions = new SharedAnswer(() => askPermissions(engine, name), PERMISSIONS_FRESH_MS, clock);
  const folder = deps.cacheFolder ?? new CacheFolder(undefined, logger);
  const catalogue = new ClusterCatalogue({
    health: () => health.get(),
    fetchText: (path, options) => engine.fetchDocument(path, { ...options, deadlineMs: DOCUMENT_MS }),
    directory: () => folder.of(config),
    builtIn: deps.builtIn ?? loadBuiltInCatalogue,
    shared: deps.catalogues,
    logger,
    clock,
  });
  const send = async (call: ProxmoxCall): Promise<ProxmoxReply> => {
    try {
      const reply = await engine.send(call);
      if (health.peek()?.reachable === false) health.forget();
      return reply;
    } catch (error) {
      // What was true at the last probe no longer is; the next question is asked anew.
      if (error instanceof CallError && error.code === 'CLUSTER_UNREACHABLE') health.forget();
      throw error;
    }
  };
  const inventory = new InventoryCache({
    cluster: name,
    send,
    permissions: () => permissions.get(),
    shared: deps.sharedAnswers?.of(sightOf(config)),
    clock,
    logger,
    observer: deps.observer,
  });
  const leases = new Leases();
  const close = async () => {
    probes.stop();
    await Promise.all([catalogue.close(), engine.close()]);
  };
  return {
    name,
    config,
    send,
    health: (signal) =>
      health.get(signal).catch(() => unhealthy('TIMEOUT', 'The question was cancelled.', clock)),
    catalogue: (signal) => catalogue.get(signal),
    permissions: (signal) => permissions.get(signal),
    endpoints: () => engine.endpoints(),
    inventory: (options) => inventory.get(options),
    backups: (options) => inventory.backups(options),
    changed: () => inventory.changed(),
    upload: (upload) => engine.upload(upload),
    addressOf: (node, signal) => engine.addressOf(node, signal),
    lease: () => leases.take(),
    retire: () => {
      probes.stop();
      return leases.over().then(close);
    },
    close,
    startProbes: () => probes.start(),
    state: () => stateOf(name, engine, inventory.asOf),
  };
}

/** Two replicas with the same of it get the same answers: the cluster, and as whom it is asked. */
function sightOf({ name, endpoints, credentials }: ClusterConfig): string {
  const { kind, user } = credentials;
  const tokenId = kind === 'token' ? credentials.tokenId : '';
  const hosts = endpoints.map(({ host, port }) => [host, port]);
  return JSON.stringify(['resources', name, hosts, kind, user, tokenId]);
}

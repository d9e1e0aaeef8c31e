import type { Logger } from 'pino';
import { loadBuiltInCatalogue } from '../catalogue/builtin.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { ClusterConfig } from '../config/config.ts';
import { Engine, type EngineDeps } from '../proxmox/engine.ts';
import { CallError } from '../proxmox/errors.ts';
import { CacheFolder } from './cache-folder.ts';
import type { Cluster } from './cluster.ts';
import { ClusterCatalogue } from './cluster-catalogue.ts';
import { InventoryCache } from './inventory-cache.ts';
import { Leases } from './leases.ts';
import { askPermissions, probeHealth, unhealthy } from './probes.ts';
import { SharedAnswer } from './shared-answer.ts';

export interface ClusterDeps extends EngineDeps {
  logger: Logger;
  /** Where schemas are kept over restarts; in memory alone where absent. */
  cacheFolder?: CacheFolder;
  /** Gives one catalogue for all clusters, made when first needed. */
  builtIn?: () => Catalogue;
}

const HEALTH_FRESH_MS = 10_000;
const PERMISSIONS_FRESH_MS = 60_000;
/** An API schema is 4 MB, and nobody waits for it longer than they like. */
const DOCUMENT_MS = 60_000;

/** Opens a cluster. Nothing is connected before the first call. */
export function createCluster(config: ClusterConfig, deps: ClusterDeps): Cluster {
  const { name } = config;
  const clock = deps.clock ?? Date;
  const logger = deps.logger.child({ cluster: name });
  const engine = new Engine(config, deps);
  const health = new SharedAnswer(() => probeHealth(engine, clock), HEALTH_FRESH_MS, clock);
  const permissions = new SharedAnswer(() => askPermissions(engine, name), PERMISSIONS_FRESH_MS, clock);
  const folder = deps.cacheFolder ?? new CacheFolder(undefined, logger);
  const catalogue = new ClusterCatalogue({
    health: () => health.get(),
    fetchText: (path, options) => engine.fetchDocument(path, { ...options, deadlineMs: DOCUMENT_MS }),
    directory: () => folder.of(config),
    builtIn: deps.builtIn ?? loadBuiltInCatalogue,
    logger,
    clock,
  });
  const inventory = new InventoryCache((deadline) => engine.send(deadline), name, clock);
  const leases = new Leases();
  const close = async () => {
    await Promise.all([catalogue.close(), engine.close()]);
  };
  return {
    name,
    config,
    send: async (call) => {
      try {
        return await engine.send(call);
      } catch (error) {
        // What was true at the last probe no longer is; the next question is asked anew.
        if (error instanceof CallError && error.code === 'CLUSTER_UNREACHABLE') health.forget();
        throw error;
      }
    },
    health: (signal) =>
      health.get(signal).catch(() => unhealthy('TIMEOUT', 'The question was cancelled.', clock)),
    catalogue: (signal) => catalogue.get(signal),
    permissions: (signal) => permissions.get(signal),
    endpoints: () => engine.endpoints(),
    inventory: (options) => inventory.get(options),
    backups: (options) => inventory.backups(options),
    changed: () => inventory.forget(),
    upload: (upload) => engine.upload(upload),
    lease: () => leases.take(),
    retire: () => leases.over().then(close),
    close,
  };
}

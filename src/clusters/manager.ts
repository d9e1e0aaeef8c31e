import { isDeepStrictEqual } from 'node:util';
import { loadBuiltInCatalogue } from '../catalogue/builtin.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { elapsed } from '../catalogue/elapsed.ts';
import { SharedCatalogues } from '../catalogue/shared.ts';
import type { ClusterConfig, Config } from '../config/config.ts';
import { Secret } from '../config/secret.ts';
import type { ClusterState } from '../observability/service-state.ts';
import type { Clock } from '../proxmox/breaker.ts';
import { CallError } from '../proxmox/errors.ts';
import { CacheFolder } from './cache-folder.ts';
import type { Cluster, ClusterDirectory, Estate, Selection, Target } from './cluster.ts';
import { type Choice, Selector } from './selector.ts';
import { type ClusterDeps, createCluster, type OwnedCluster } from './single-cluster.ts';

/** What of a configuration the clusters are made from. */
export type EstateConfig = Pick<Config, 'clusters' | 'defaultCluster'> &
  Partial<Pick<Config, 'cacheDir' | 'clusterTtlSeconds'>>;

/** What a new configuration changed, by names of clusters. */
export interface EstateChange {
  added: string[];
  removed: string[];
  /** Same name, other settings. */
  changed: string[];
}

/** The client of one cluster, and when it was made. */
interface Slot {
  cluster: OwnedCluster;
  builtAt: number;
}

const DEFAULT_TTL_SECONDS = 3600;

/** All clusters of a configuration, and the choice of one for a call. */
export class ClusterManager implements Estate {
  readonly #deps: ClusterDeps;
  readonly #clock: Clock;
  readonly #slots = new Map<string, Slot>();
  readonly #scopes = new Map<string, ClusterDirectory>();
  /** Names of clusters that a reload took away, and none brought back. */
  readonly #removed = new Set<string>();
  /** Replaced or removed, and still at work for calls that began with them. */
  readonly #retired = new Set<Cluster>();
  readonly #listeners = new Set<(change: EstateChange) => void>();
  #config: EstateConfig;
  #selector: Selector;
  #revision = 0;
  #isProbing = false;

  constructor(config: EstateConfig, deps: ClusterDeps) {
    let builtIn: Catalogue | undefined;
    this.#deps = {
      cacheFolder: new CacheFolder(config.cacheDir, deps.logger),
      builtIn: () => {
        builtIn ??= loadBuiltInCatalogue();
        return builtIn;
      },
      catalogues: new SharedCatalogues(),
      ...deps,
    };
    this.#clock = deps.clock ?? Date;
    this.#config = config;
    this.#selector = new Selector(config.clusters, config.defaultCluster);
    for (const cluster of config.clusters) this.#open(cluster);
  }

  get defaultCluster(): string | undefined {
    return this.#config.defaultCluster;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The clusters in the order of the configuration. */
  list(): Cluster[] {
    return this.#config.clusters.flatMap(({ name }) => this.#current(name) ?? []);
  }

  select(target: Target): Selection {
    this.#checkRemoved(target);
    return this.#selection(this.#selector.choose(target));
  }

  claim(target: Target): Selection | undefined {
    this.#checkRemoved(target);
    const choice = this.#selector.claim(target);
    return choice && this.#selection(choice);
  }

  scopedTo(name: string): ClusterDirectory | undefined {
    if (!this.#slots.has(name)) return undefined;
    const known = this.#scopes.get(name) ?? this.#onlyOne(name);
    this.#scopes.set(name, known);
    return known;
  }

  /**
   * Takes a new configuration. What did not change goes on as it is; calls in flight end on the client they began with.
   *
   * @returns what changed; the listeners are told the same
   */
  apply(config: EstateConfig): EstateChange {
    // What may throw comes first: nothing has changed by then.
    const selector = new Selector(config.clusters, config.defaultCluster);
    const before = new Map(this.#config.clusters.map((cluster) => [cluster.name, cluster]));
    const isOther = (cluster: ClusterConfig): boolean =>
      !isDeepStrictEqual(plain(before.get(cluster.name)), plain(cluster));
    const opened = config.clusters.filter(isOther).map((cluster) => createCluster(cluster, this.#deps));

    const names = new Set(config.clusters.map(({ name }) => name));
    const change: EstateChange = { added: [], removed: [], changed: [] };
    for (const cluster of opened) {
      change[before.has(cluster.name) ? 'changed' : 'added'].push(cluster.name);
      this.#retire(cluster.name);
      this.#put(cluster);
      this.#removed.delete(cluster.name);
    }
    for (const name of before.keys()) {
      if (names.has(name)) continue;
      change.removed.push(name);
      this.#retire(name);
      this.#slots.delete(name);
      this.#scopes.delete(name);
      this.#removed.add(name);
    }
    this.#config = { ...config, ...(this.#config.cacheDir ? { cacheDir: this.#config.cacheDir } : {}) };
    this.#selector = selector;
    this.#revision++;
    for (const listener of this.#listeners) listener(change);
    return change;
  }

  /** @returns takes the listener back */
  onChange(listener: (change: EstateChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is known of every cluster without asking. */
  states(): ClusterState[] {
    return [...this.#slots.values()].map(({ cluster }) => cluster.state());
  }

  /** Keeps the health of every cluster up to date from now on, also of those that come later; `close` ends it. */
  startProbes(): void {
    this.#isProbing = true;
    for (const { cluster } of this.#slots.values()) cluster.startProbes();
  }

  /** Closes every cluster; calls in flight fail. */
  async close(): Promise<void> {
    this.#isProbing = false;
    const current = [...this.#slots.values()].map(({ cluster }) => cluster);
    await Promise.all([...current, ...this.#retired].map((cluster) => cluster.close()));
  }

  #open(config: ClusterConfig): Cluster {
    return this.#put(createCluster(config, this.#deps));
  }

  #put(cluster: OwnedCluster): Cluster {
    if (this.#isProbing) cluster.startProbes();
    this.#slots.set(cluster.name, { cluster, builtAt: this.#clock.now() });
    return cluster;
  }

  /**
   * A single cluster serves whatever is named. A name that was another cluster's until a reload is the exception: who
   * sends it means that one, and a write must not land elsewhere.
   */
  #checkRemoved({ cluster: name }: Target): void {
    if (name === undefined || !this.#removed.has(name)) return;
    const names = this.#config.clusters.map((cluster) => cluster.name);
    throw new CallError('CLUSTER_NOT_FOUND', `The cluster ${name} is no longer configured.`, {
      hint: `Use one of: ${names.join(', ')}.`,
    });
  }

  #selection({ cluster: name, ...why }: Choice): Selection {
    const cluster = this.#current(name);
    if (cluster === undefined) throw new Error(`the selector chose ${name}, which is not there`);
    const { fallback: other } = cluster.config;
    const fallback = other === undefined ? undefined : this.#current(other);
    return { cluster, ...why, ...(fallback === undefined ? {} : { fallback }) };
  }

  /** The client of a cluster; a new one where its time is over. */
  #current(name: string): Cluster | undefined {
    const slot = this.#slots.get(name);
    if (slot === undefined) return undefined;
    const ttlMs = (this.#config.clusterTtlSeconds ?? DEFAULT_TTL_SECONDS) * 1000;
    if (elapsed(slot.builtAt, this.#clock.now()) < ttlMs) return slot.cluster;
    this.#retire(name);
    return this.#open(slot.cluster.config);
  }

  #retire(name: string): void {
    const cluster = this.#slots.get(name)?.cluster;
    if (cluster === undefined) return;
    this.#retired.add(cluster);
    void cluster.retire().finally(() => this.#retired.delete(cluster));
  }

  /** The directory of a URL that is bound to one cluster, for as long as there is one of that name. */
  #onlyOne(name: string): ClusterDirectory {
    const manager = this;
    const current = (): Cluster => {
      const cluster = manager.#current(name);
      if (cluster !== undefined) return cluster;
      throw new CallError('CLUSTER_NOT_FOUND', `The cluster ${name} is no longer configured.`, {
        hint: 'Use the URL of the service without a cluster in it.',
      });
    };
    const select = ({ cluster }: Target): Selection => {
      // On a URL that is bound to one cluster, a call for another must not land on it, nor on its fallback.
      if (cluster === undefined || cluster === name) return { cluster: current(), selectedBy: 'single' };
      throw new CallError(
        'CLUSTER_NOT_FOUND',
        `This URL is bound to ${name}; it does not reach ${JSON.stringify(cluster)}.`,
        { hint: 'Leave `cluster` out, or use the URL of the service without a cluster in it.' },
      );
    };
    return {
      defaultCluster: name,
      get revision() {
        return manager.revision;
      },
      list: () => [current()],
      select,
      claim: select,
    };
  }
}

/** Settings as they compare: two Secrets are alike to everyone who does not reveal them. */
function plain(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

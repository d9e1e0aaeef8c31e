import { loadBuiltInCatalogue } from '../catalogue/builtin.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Config } from '../config/config.ts';
import { didYouMean } from '../config/nearest.ts';
import { CallError } from '../proxmox/errors.ts';
import { CacheFolder } from './cache-folder.ts';
import type { Cluster, ClusterDirectory, Estate, Selection } from './cluster.ts';
import { type ClusterDeps, createCluster } from './single-cluster.ts';

/** All clusters of a configuration, and the choice of one for a call. */
export class ClusterManager implements Estate {
  readonly defaultCluster: string | undefined;
  readonly #clusters: ReadonlyMap<string, Cluster>;
  readonly #scopes = new Map<string, ClusterDirectory>();

  constructor(config: Pick<Config, 'clusters' | 'defaultCluster' | 'cacheDir'>, deps: ClusterDeps) {
    let builtIn: Catalogue | undefined;
    const shared: ClusterDeps = {
      cacheFolder: new CacheFolder(config.cacheDir, deps.logger),
      builtIn: () => {
        builtIn ??= loadBuiltInCatalogue();
        return builtIn;
      },
      ...deps,
    };
    this.#clusters = new Map(
      config.clusters.map((cluster) => [cluster.name, createCluster(cluster, shared)]),
    );
    this.defaultCluster = config.defaultCluster;
  }

  /** The clusters in the order of the configuration. */
  list(): Cluster[] {
    return [...this.#clusters.values()];
  }

  /**
   * Picks the cluster for a call. With one cluster a name is ignored, as its tools have no such parameter; with
   * several, a name counts before the default, and is case-sensitive.
   *
   * @throws CallError CLUSTER_NOT_FOUND for an unknown name; CLUSTER_AMBIGUOUS without a name and a default.
   */
  select(name: string | undefined): Selection {
    const [only, ...others] = this.#clusters.values();
    if (only !== undefined && others.length === 0) return { cluster: only, selectedBy: 'single' };
    const wanted = name ?? this.defaultCluster;
    if (wanted === undefined) {
      throw new CallError('CLUSTER_AMBIGUOUS', `There are several clusters: ${this.#names()}.`, {
        hint: 'Say which one is meant: pass its name as `cluster`.',
      });
    }
    const cluster = this.#clusters.get(wanted);
    if (cluster === undefined) {
      const nearest = didYouMean(wanted, this.#clusters.keys());
      throw new CallError('CLUSTER_NOT_FOUND', `There is no cluster ${JSON.stringify(wanted)}.${nearest}`, {
        hint: `Use one of: ${this.#names()}.`,
      });
    }
    return { cluster, selectedBy: name === undefined ? 'default' : 'explicit' };
  }

  scopedTo(name: string): ClusterDirectory | undefined {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return undefined;
    const known = this.#scopes.get(name) ?? onlyOne(cluster);
    this.#scopes.set(name, known);
    return known;
  }

  /** Closes every cluster; calls in flight fail. */
  async close(): Promise<void> {
    await Promise.all(this.list().map((cluster) => cluster.close()));
  }

  #names(): string {
    return [...this.#clusters.keys()].join(', ');
  }
}

function onlyOne(cluster: Cluster): ClusterDirectory {
  return {
    defaultCluster: cluster.name,
    list: () => [cluster],
    select(name) {
      // On a URL that is bound to one cluster, a call for another must not land on it.
      if (name === undefined || name === cluster.name) return { cluster, selectedBy: 'single' };
      throw new CallError(
        'CLUSTER_NOT_FOUND',
        `This URL is bound to ${cluster.name}; it does not reach ${JSON.stringify(name)}.`,
        {
          hint: 'Leave `cluster` out, or use the URL of the service without a cluster in it.',
        },
      );
    },
  };
}

import type { Cluster, ClusterDirectory, Selection, Target } from '../clusters/cluster.ts';

/**
 * The clusters as one call sees them. What it has been given stays open until this is disposed of, and is the same
 * client each time it asks: a reload meanwhile may put another client in its place, or remove the cluster.
 */
export class HeldClusters implements ClusterDirectory, Disposable {
  readonly #directory: ClusterDirectory;
  readonly #held = new Map<string, Cluster>();
  /** Undefined once the call is over. */
  #leases: Disposable[] | undefined = [];

  constructor(directory: ClusterDirectory) {
    this.#directory = directory;
  }

  get defaultCluster(): string | undefined {
    return this.#directory.defaultCluster;
  }

  get revision(): number {
    return this.#directory.revision;
  }

  list(): readonly Cluster[] {
    return this.#directory.list().map((cluster) => this.#hold(cluster));
  }

  select(target: Target): Selection {
    const known = target.cluster === undefined ? undefined : this.#held.get(target.cluster);
    try {
      const selection = this.#directory.select(target);
      // With one cluster left, a directory answers with that one, whatever is named.
      if (known === undefined || selection.cluster.name === known.name) return this.#holdAll(selection);
    } catch (error) {
      if (known === undefined) throw error;
    }
    return { cluster: known, selectedBy: 'explicit' };
  }

  claim(target: Target): Selection | undefined {
    const selection = this.#directory.claim(target);
    return selection && this.#holdAll(selection);
  }

  #holdAll(selection: Selection): Selection {
    const { cluster, fallback } = selection;
    return {
      ...selection,
      cluster: this.#hold(cluster),
      ...(fallback === undefined ? {} : { fallback: this.#hold(fallback) }),
    };
  }

  #hold(cluster: Cluster): Cluster {
    const known = this.#held.get(cluster.name);
    if (known !== undefined) return known;
    // A tool may go on for a while after its deadline: a lease that it took then would never be given back.
    if (this.#leases === undefined) throw new Error('the call is over: no more clusters are held for it');
    this.#leases.push(cluster.lease());
    this.#held.set(cluster.name, cluster);
    return cluster;
  }

  /** Gives all of them back. */
  [Symbol.dispose](): void {
    for (const lease of this.#leases ?? []) lease[Symbol.dispose]();
    this.#leases = undefined;
  }
}

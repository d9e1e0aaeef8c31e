import type { ClusterConfig } from '../config/config.ts';
import { didYouMean } from '../config/nearest.ts';
import { CallError } from '../proxmox/errors.ts';
import type { SelectedBy, Target } from './cluster.ts';

/** Which cluster a call belongs to, and why. */
export interface Choice {
  cluster: string;
  selectedBy: SelectedBy;
  /** The pattern or the VMID range that decided. */
  matched?: string;
}

/** Picks clusters by the rules of a configuration. Made once per configuration; holds no state. */
export class Selector {
  readonly #clusters: readonly ClusterConfig[];
  readonly #defaultCluster: string | undefined;

  constructor(clusters: readonly ClusterConfig[], defaultCluster: string | undefined) {
    this.#clusters = clusters;
    this.#defaultCluster = defaultCluster;
  }

  /**
   * Explicit, then name pattern, then VMID map, then default. With one cluster whatever is named is ignored, as its
   * tools have no such parameter. Names of clusters are case-sensitive.
   *
   * @throws CallError CLUSTER_NOT_FOUND for an unknown name; CLUSTER_AMBIGUOUS where two clusters claim the target, or
   *   nothing selects one.
   */
  choose({ cluster }: Target): Choice {
    const [only, ...others] = this.#clusters;
    if (only !== undefined && others.length === 0) return { cluster: only.name, selectedBy: 'single' };
    if (cluster !== undefined) return this.#explicit(cluster);
    if (this.#defaultCluster !== undefined) return { cluster: this.#defaultCluster, selectedBy: 'default' };
    throw new CallError('CLUSTER_AMBIGUOUS', `There are several clusters: ${this.#names().join(', ')}.`, {
      hint: 'Say which one is meant: pass its name as `cluster`.',
    });
  }

  #explicit(wanted: string): Choice {
    const names = this.#names();
    if (names.includes(wanted)) return { cluster: wanted, selectedBy: 'explicit' };
    const nearest = didYouMean(wanted, names);
    throw new CallError('CLUSTER_NOT_FOUND', `There is no cluster ${JSON.stringify(wanted)}.${nearest}`, {
      hint: `Use one of: ${names.join(', ')}.`,
    });
  }

  #names(): string[] {
    return this.#clusters.map(({ name }) => name);
  }
}

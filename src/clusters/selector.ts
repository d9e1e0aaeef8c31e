import type { ClusterConfig, VmidRange } from '../config/config.ts';
import { didYouMean } from '../config/nearest.ts';
import { formatVmidRange } from '../config/vmids.ts';
import { CallError } from '../proxmox/errors.ts';
import type { SelectedBy, Target } from './cluster.ts';
import { type Claim, PatternIndex } from './pattern-index.ts';

/** Which cluster a call belongs to, and why. */
export interface Choice {
  cluster: string;
  selectedBy: SelectedBy;
  /** The pattern or the VMID range that decided. */
  matched?: string;
}

/** How many clusters, and patterns of one, a message names. */
const MOST_NAMED = 20;

/** Picks clusters by the rules of a configuration. Made once per configuration; holds no state. */
export class Selector {
  readonly #names: readonly string[];
  readonly #defaultCluster: string | undefined;
  readonly #patterns: PatternIndex;
  readonly #vmids: readonly { cluster: string; range: VmidRange }[];

  constructor(clusters: readonly ClusterConfig[], defaultCluster: string | undefined) {
    this.#names = clusters.map(({ name }) => name);
    this.#defaultCluster = defaultCluster;
    this.#patterns = new PatternIndex(clusters);
    this.#vmids = clusters.flatMap(({ name, vmids }) => vmids.map((range) => ({ cluster: name, range })));
  }

  /**
   * Explicit, then name pattern, then VMID map, then default. With one cluster whatever is named is ignored, as its
   * tools have no such parameter. Names of clusters are case-sensitive.
   *
   * @throws CallError CLUSTER_NOT_FOUND for an unknown name; CLUSTER_AMBIGUOUS where two clusters claim the target, or
   *   nothing selects one.
   */
  choose(target: Target): Choice {
    const claimed = this.claim(target);
    if (claimed !== undefined) return claimed;
    if (this.#defaultCluster !== undefined) return { cluster: this.#defaultCluster, selectedBy: 'default' };
    throw this.#undecided(target);
  }

  /**
   * The same without the default: undefined where nothing claims the target.
   *
   * @throws CallError as `choose` does
   */
  claim({ cluster, name, vmid }: Target): Choice | undefined {
    const [only, ...others] = this.#names;
    if (only !== undefined && others.length === 0) return { cluster: only, selectedBy: 'single' };
    if (cluster !== undefined) return this.#explicit(cluster);
    return (
      (name === undefined ? undefined : this.#byPattern(name)) ??
      (vmid === undefined ? undefined : this.#byVmid(vmid))
    );
  }

  #explicit(wanted: string): Choice {
    if (this.#names.includes(wanted)) return { cluster: wanted, selectedBy: 'explicit' };
    const nearest = didYouMean(wanted, this.#names);
    throw new CallError('CLUSTER_NOT_FOUND', `There is no cluster ${JSON.stringify(wanted)}.${nearest}`, {
      hint: `Use one of: ${listed(this.#names)}.`,
    });
  }

  #byPattern(name: string): Choice | undefined {
    const claims = this.#patterns.claims(name);
    const [first] = claims;
    if (first === undefined) return undefined;
    if (claims.some(({ cluster }) => cluster !== first.cluster)) {
      throw contested(`The name ${JSON.stringify(name)} fits patterns`, claims);
    }
    return { cluster: first.cluster, selectedBy: 'pattern', matched: first.pattern };
  }

  /** A configuration that was read has no VMID twice; one that was made in code may. */
  #byVmid(vmid: number): Choice | undefined {
    const holders = this.#vmids.filter(({ range }) => vmid >= range.from && vmid <= range.to);
    const [first] = holders;
    if (first === undefined) return undefined;
    if (holders.some(({ cluster }) => cluster !== first.cluster)) {
      const claims = holders.map(({ cluster, range }) => ({ cluster, pattern: formatVmidRange(range) }));
      throw contested(`VMID ${vmid} is in the VMIDs`, claims);
    }
    return { cluster: first.cluster, selectedBy: 'vmid', matched: formatVmidRange(first.range) };
  }

  #undecided({ name, vmid }: Target): CallError {
    const given = [
      ...(name === undefined ? [] : [`pattern fits ${JSON.stringify(name.slice(0, 256))}`]),
      ...(vmid === undefined ? [] : [`VMID range holds ${vmid}`]),
    ];
    const unclaimed = given.length === 0 ? '' : ` No ${given.join(', and no ')}.`;
    const several = `There are several clusters: ${listed(this.#names)}.`;
    return new CallError('CLUSTER_AMBIGUOUS', `${several}${unclaimed}`, {
      hint:
        'Say which one is meant: pass its name as `cluster`. Without it, a guest that `patterns` or `vmids` give to a ' +
        'cluster selects that one, and `default_cluster` takes the rest; the operator sets them.',
    });
  }
}

/** Two clusters say that a target is theirs. Each is named with its reasons, in an order that is always the same. */
function contested(what: string, claims: readonly Claim[]): CallError {
  const byCluster = Object.entries(Object.groupBy(claims, ({ cluster }) => cluster));
  const reasons = byCluster
    .map(([cluster, own = []]) => `${cluster} (${listed(own.map(({ pattern }) => pattern))})`)
    .sort();
  return new CallError('CLUSTER_AMBIGUOUS', `${what} of several clusters: ${listed(reasons)}.`, {
    hint: 'Say which one is meant: pass its name as `cluster`. The operator can make the patterns or VMIDs distinct.',
  });
}

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return `${names.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

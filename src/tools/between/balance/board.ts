/** Of a percentage point, which a gap is rounded to. */
const GAP_PARTS = 1e9;

/** A node with what it carries beside the guests that could move. */
export interface Carrier {
  node: string;
  cpus: number;
  memBytes: number;
  /** CPUs that are busy, and memory that is taken, whatever moves. */
  baseCpus: number;
  baseMemBytes: number;
}

/** A guest that could move. */
export interface Load {
  vmid: number;
  node: string;
  /** CPUs of the node that it keeps busy. */
  cpus: number;
  memBytes: number;
  /** Where else it may go. */
  targets: readonly string[];
}

export interface Move {
  vmid: number;
  from: string;
  to: string;
}

export interface Share {
  node: string;
  /** 0 to 100 and, overcommitted, more. */
  cpuPercent: number;
  memPercent: number;
}

/** No move may fill a node further, in percent; one that is fuller already may stay so. */
const FULL_PERCENT = 90;

/** Who is where, and what that makes of each node. */
export class Board {
  /** By memory, the heaviest first, and then by VMID. */
  readonly movable: readonly Load[];
  readonly #carriers: readonly Carrier[];
  readonly #allows: (moved: ReadonlyMap<number, string>) => boolean;
  readonly #index: ReadonlyMap<string, number>;
  readonly #byVmid: ReadonlyMap<number, Load>;
  readonly #first: readonly number[];
  #cpus: number[] = [];
  #mem: number[] = [];

  constructor(
    carriers: readonly Carrier[],
    loads: readonly Load[],
    allows: (moved: ReadonlyMap<number, string>) => boolean,
  ) {
    this.#carriers = carriers;
    this.#allows = allows;
    this.#index = new Map(carriers.map(({ node }, index) => [node, index]));
    this.#byVmid = new Map(loads.map((load) => [load.vmid, load]));
    this.movable = loads
      .filter(({ targets }) => targets.length > 0)
      .toSorted((a, b) => b.memBytes - a.memBytes || a.vmid - b.vmid);
    this.set([]);
    this.#first = this.shares().map(({ memPercent }) => memPercent);
  }

  /** From the beginning on, with these moves made. */
  set(moves: readonly Move[]): void {
    this.#cpus = this.#carriers.map(({ baseCpus }) => baseCpus);
    this.#mem = this.#carriers.map(({ baseMemBytes }) => baseMemBytes);
    for (const load of this.#byVmid.values()) this.#add(load, load.node, 1);
    for (const { vmid, from, to } of moves) {
      const load = this.#byVmid.get(vmid);
      if (load !== undefined) this.shift(load, from, to);
    }
  }

  shift(load: Load, from: string, to: string): void {
    this.#add(load, from, -1);
    this.#add(load, to, 1);
  }

  shares(): Share[] {
    return this.#carriers.map(({ node }, index) => ({
      node,
      cpuPercent: this.#cpuPercent(index),
      memPercent: this.#memPercent(index),
    }));
  }

  /** The widest difference between two nodes, of CPU or of memory, in percentage points. */
  gap(): number {
    let [lowCpu, highCpu, lowMem, highMem] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let index = 0; index < this.#carriers.length; index += 1) {
      const [cpu, mem] = [this.#cpuPercent(index), this.#memPercent(index)];
      lowCpu = Math.min(lowCpu, cpu);
      highCpu = Math.max(highCpu, cpu);
      lowMem = Math.min(lowMem, mem);
      highMem = Math.max(highMem, mem);
    }
    const gap = Math.max(0, highCpu - lowCpu, highMem - lowMem);
    // The same for the same arrangement: sums of fractions differ by the order in which its moves were made.
    return Math.round(gap * GAP_PARTS) / GAP_PARTS;
  }

  /** Falls with every move from a full node to an emptier one, also where the gap is between others. */
  unevenness(): number {
    const shares = this.shares();
    const of = (values: readonly number[]): number => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    };
    return of(shares.map(({ cpuPercent }) => cpuPercent)) + of(shares.map(({ memPercent }) => memPercent));
  }

  /** Whether nodes have room for the moves that are made, and the guests may be so. */
  isAllowed(moves: readonly Move[]): boolean {
    const isFull = this.#carriers.some((_carrier, index) => {
      return this.#memPercent(index) > Math.max(FULL_PERCENT, (this.#first[index] ?? 0) + 1e-9);
    });
    return !isFull && this.#allows(new Map(moves.map(({ vmid, to }) => [vmid, to])));
  }

  /** Moves one after the other, each to where then is the most room. */
  inOrder(moves: readonly Move[]): Move[] {
    const rest = [...moves];
    const ordered: Move[] = [];
    while (rest.length > 0) {
      const fullest = rest.map((move) => {
        this.set([...ordered, move]);
        return this.#memPercent(this.#index.get(move.to) ?? 0);
      });
      const least = fullest.indexOf(Math.min(...fullest));
      ordered.push(...rest.splice(least, 1));
    }
    this.set(ordered);
    return ordered;
  }

  #add({ cpus, memBytes }: Load, node: string, sign: 1 | -1): void {
    const index = this.#index.get(node);
    if (index === undefined) return;
    this.#cpus[index] = (this.#cpus[index] ?? 0) + sign * cpus;
    this.#mem[index] = (this.#mem[index] ?? 0) + sign * memBytes;
  }

  #cpuPercent(index: number): number {
    return (100 * (this.#cpus[index] ?? 0)) / Math.max(1, this.#carriers[index]?.cpus ?? 1);
  }

  #memPercent(index: number): number {
    return (100 * (this.#mem[index] ?? 0)) / Math.max(1, this.#carriers[index]?.memBytes ?? 1);
  }
}

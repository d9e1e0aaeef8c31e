import type { Fault } from '../../src/simulator/faults.ts';
import type { SimulatedCluster, Simulator } from '../../src/simulator/simulator.ts';

/** From 0 to below 1. */
export type Random = () => number;

/** What may go wrong for a while, on one cluster. */
const MISHAPS: readonly ((cluster: SimulatedCluster, random: Random) => Fault)[] = [
  () => ({ kind: 'storm', rate: 0.3 }),
  () => ({ kind: 'html', rate: 0.2 }),
  () => ({ kind: 'truncated-json', rate: 0.2 }),
  () => ({ kind: 'truncated-json', end: true, rate: 0.2 }),
  () => ({ kind: 'proxy-error', rate: 0.3 }),
  () => ({ kind: 'redirect', rate: 0.2 }),
  () => ({ kind: 'close', rate: 0.2 }),
  () => ({ kind: 'commit-then-close', rate: 0.3 }),
  () => ({ kind: 'slow', ms: 400, rate: 0.3 }),
  () => ({ kind: 'slow-headers', ms: 5, rate: 0.1 }),
  () => ({ kind: 'slow-body', ms: 1, rate: 0.05 }),
  () => ({ kind: 'status', code: 403, reason: 'Permission check failed', rate: 0.2 }),
  () => ({ kind: 'task-error', rate: 0.3 }),
  () => ({ kind: 'task-warnings', rate: 0.3 }),
  () => ({ kind: 'expired-ticket', rate: 0.1 }),
  () => ({ kind: 'quorum-lost' }),
  (cluster, random) => ({ kind: 'node-down', node: pick(cluster.state.nodes, random).name }),
  (cluster, random) => ({ kind: 'certificate-changed', node: pick(cluster.state.nodes, random).name }),
];
/** Those that hold a call until its deadline, which a short run has no time for. */
const PATIENT: typeof MISHAPS = [
  () => ({ kind: 'hang', rate: 0.02 }),
  (cluster, random) => ({ kind: 'half-open', node: pick(cluster.state.nodes, random).name }),
  (cluster, random) => ({ kind: 'blackhole', node: pick(cluster.state.nodes, random).name }),
];

export interface Mishaps {
  /** How often each kind was begun. */
  readonly counts: ReadonlyMap<string, number>;
  /** Ends the mishaps: resolves when all is as before. */
  stop(): Promise<void>;
}

/** Lets something go wrong every now and then, on a cluster at random, until it is stopped. */
export function beginMishaps(simulator: Simulator, random: Random, isPatient: boolean): Mishaps {
  const kinds = isPatient ? [...MISHAPS, ...PATIENT] : MISHAPS;
  const counts = new Map<string, number>();
  const strike = (): void => {
    const cluster = pick(simulator.clusters, random);
    const fault = pick(kinds, random)(cluster, random);
    cluster.faults.add({ ...fault, seconds: 0.5 + random() * 3 });
    counts.set(fault.kind, (counts.get(fault.kind) ?? 0) + 1);
  };
  const timer = setInterval(strike, 700);
  return {
    counts,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(simulator.clusters.map(({ faults }) => faults.clear()));
    },
  };
}

/** One of them. @throws Error where there is none */
export function pick<T>(from: readonly T[] | ReadonlyMap<unknown, T>, random: Random): T {
  const list = Array.isArray(from) ? from : [...(from as ReadonlyMap<unknown, T>).values()];
  const one = list[Math.floor(random() * list.length)];
  if (one === undefined) throw new Error('there is nothing to choose from');
  return one;
}

import { type DescribedFault, parseFault } from '../simulator/faults/parse.ts';
import type { SimulatedCluster } from '../simulator/simulator.ts';
import { usageError } from './failure.ts';

type Named = Pick<SimulatedCluster, 'name' | 'state'>;

/** A fault as it was asked for, and the clusters it is for. */
export interface PlannedFault {
  spec: string;
  fault: DescribedFault['fault'];
  clusters: string[];
}

/** Reads faults from the command line, and finds which clusters have the node, guest or storage they name. */
export function planFaults(specs: readonly string[], clusters: readonly Named[]): PlannedFault[] {
  return specs.map((spec) => {
    const { fault, cluster } = parsed(spec);
    const named = clusters.filter(({ name }) => cluster === undefined || name === cluster);
    if (named.length === 0) {
      throw usageError(
        `--fault ${spec}: there is no cluster '${cluster}'.`,
        `The clusters are: ${clusters.map(({ name }) => name).join(', ')}.`,
      );
    }
    const fitting = named.filter((candidate) => lackedBy(candidate, fault) === undefined);
    const [first] = named;
    if (fitting.length === 0 && first) {
      const { what, known } = lackedBy(first, fault) ?? { what: 'cluster', known: [] };
      const where = named.map(({ name }) => name).join(', ');
      throw usageError(`--fault ${spec}: no ${what} in ${where}.`, `In ${first.name}: ${known.join(', ')}.`);
    }
    return { spec, fault, clusters: fitting.map(({ name }) => name) };
  });
}

function parsed(spec: string): DescribedFault {
  try {
    return parseFault(spec);
  } catch (error) {
    throw usageError(
      `--fault ${spec}: ${error instanceof Error ? error.message : String(error)}`,
      'proxmox-mcp simulate --help lists every kind of fault and what it takes.',
    );
  }
}

const MOST_SHOWN = 12;

/** What a fault names that a cluster does not have, and what it has of that kind. */
function lackedBy(
  { state }: Named,
  fault: DescribedFault['fault'],
): { what: string; known: string[] } | undefined {
  const nodes = state.nodes.map(({ name }) => name);
  if (fault.node !== undefined && !nodes.includes(fault.node)) {
    return { what: `node '${fault.node}'`, known: nodes };
  }
  if (fault.kind === 'lock-held' && !state.guests.has(fault.vmid)) {
    const known = [...state.guests.keys()].sort((a, b) => a - b).map((vmid) => `guest ${vmid}`);
    return { what: `guest ${fault.vmid}`, known: shortened(known) };
  }
  if (fault.kind === 'storage-full' && !state.storages.some(({ storage }) => storage === fault.storage)) {
    return { what: `storage '${fault.storage}'`, known: state.storages.map(({ storage }) => storage) };
  }
  return undefined;
}

function shortened(names: string[]): string[] {
  return names.length > MOST_SHOWN ? [...names.slice(0, MOST_SHOWN), '…'] : names;
}

import { type ClusterSpec, type GuestSpec, LOCAL_STORAGES } from './estate.ts';

export interface LargeEstate {
  /** How many guests in all; default 10,000. */
  guests?: number;
  /** On how many nodes; default one per 250 guests, at most 32. */
  nodes?: number;
  /** The cluster's name; default `large`. */
  name?: string;
}

const ROLES = ['web', 'db', 'cache', 'build', 'queue', 'mail', 'dns', 'proxy'];
const STAGES = ['production', 'staging', 'test'];

/** One cluster with very many guests, the same for the same numbers. A third of them are containers. */
export function largeEstate({ guests = 10_000, nodes, name = 'large' }: LargeEstate = {}): ClusterSpec[] {
  const hosts = nodes ?? Math.min(32, Math.max(1, Math.ceil(guests / 250)));
  const nodeName = (index: number): string => `node${String((index % hosts) + 1).padStart(2, '0')}`;
  const guest = (index: number): GuestSpec => {
    const role = ROLES[index % ROLES.length] ?? 'web';
    const stage = STAGES[index % STAGES.length] ?? 'test';
    return {
      vmid: 100 + index,
      type: index % 3 === 2 ? 'lxc' : 'qemu',
      node: nodeName(index),
      name: `${role}-${String(index + 1).padStart(5, '0')}`,
      status: index % 5 === 4 ? 'stopped' : 'running',
      cores: 1 + (index % 4),
      memoryMib: 512 * (1 + (index % 8)),
      diskGib: 4 + (index % 16),
      tags: [role, stage],
      pool: stage,
    };
  };
  return [
    {
      name,
      nodes: Array.from({ length: hosts }, (_none, index) => ({
        name: nodeName(index),
        cpus: 128,
        memoryGib: 2048,
      })),
      storages: LOCAL_STORAGES.map((storage) => ({ ...storage, totalGib: 65_536 })),
      pools: STAGES.map((poolid) => ({ poolid })),
      guests: Array.from({ length: guests }, (_none, index) => guest(index)),
    },
  ];
}

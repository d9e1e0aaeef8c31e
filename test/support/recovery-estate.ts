import {
  type ClusterSpec,
  type GuestSpec,
  LOCAL_STORAGES,
  type StorageSpec,
} from '../../src/simulator/estate.ts';
import type { SimulatedCluster, Simulator } from '../../src/simulator/simulator.ts';
import { type Answer, toolClient } from './tool-client.ts';

/** One export under two names. */
const backups = (storage: string): StorageSpec => ({
  storage,
  type: 'nfs',
  content: ['backup'],
  shared: true,
  totalGib: 1000,
  options: { server: '192.0.2.41', export: '/export/backups', path: `/mnt/pve/${storage}` },
});

const guest = (vmid: number, name: string, more: Partial<GuestSpec> = {}): GuestSpec => ({
  ...{ vmid, name, type: 'qemu', node: 'pve1', status: 'stopped', cores: 2, memoryMib: 2048, diskGib: 10 },
  ...more,
});

const saved = (ageDays: number) => [{ storage: 'nfs-home', ageDays }];

/** A cluster whose guests are down and backed up, and the one that takes them. Both use VMID 100. */
export const RECOVERY_ESTATE: ClusterSpec[] = [
  {
    name: 'home',
    nodes: [{ name: 'pve1', cpus: 8, memoryGib: 64 }],
    storages: [...LOCAL_STORAGES, backups('nfs-home')],
    pools: [{ poolid: 'shop' }],
    guests: [
      guest(100, 'web', {
        pool: 'shop',
        tags: ['front'],
        config: { startup: 'order=2', onboot: 1 },
        backups: saved(0.5),
      }),
      guest(101, 'db', {
        pool: 'shop',
        tags: ['back'],
        config: { startup: 'order=1,up=1' },
        backups: [...saved(1), ...saved(3)],
      }),
      guest(102, 'cache', {
        type: 'lxc',
        tags: ['front'],
        memoryMib: 512,
        diskGib: 4,
        backups: saved(2),
        config: { net0: 'name=eth0,bridge=vmbr7,ip=dhcp' },
      }),
      guest(103, 'scratch'),
    ],
  },
  {
    name: 'away',
    nodes: [
      { name: 'dr1', cpus: 8, memoryGib: 32 },
      { name: 'dr2', cpus: 8, memoryGib: 16 },
    ],
    storages: [...LOCAL_STORAGES, backups('nfs-away')],
    guests: [
      {
        ...guest(100, 'monitor', { node: 'dr1', status: 'running' }),
        backups: [{ storage: 'nfs-away', ageDays: 0.1 }],
      },
    ],
  },
];

/** Requests other than GET that reached a cluster, as `METHOD /path`. */
export function writesTo({ requests }: SimulatedCluster): string[] {
  return requests
    .filter(({ method, path }) => method !== 'GET' && !path.endsWith('/access/ticket'))
    .map(({ method, path }) => `${method} ${path.replace('/api2/json', '')}`);
}

/** The same over all clusters. */
export function allWrites({ clusters }: Simulator): string[] {
  return clusters.flatMap(writesTo);
}

type Changes = Parameters<typeof toolClient>[0];

/** The whole service over both, where `away` is the fallback of `home`. */
export async function recoverySite(options: Changes & { clusters?: never } = {}) {
  const { simulator, ...rest } = options;
  const client = await toolClient({
    simulator: { clusters: structuredClone(RECOVERY_ESTATE), ...simulator },
    config: (cluster) => (cluster.name === 'home' ? { fallback: 'away' } : {}),
    ...rest,
  });
  const home = client.simulator.cluster('home');
  const away = client.simulator.cluster('away');
  return {
    ...client,
    home,
    away,
    /** Asks, and then goes on with the handle of the plan that was shown. */
    async applied(tool: string, args: Record<string, unknown>): Promise<Answer> {
      const { plan } = await client.refused(tool, args);
      return client.call(tool, { ...args, handle: plan.handle });
    },
    /** Of a guest of a cluster, by its name. */
    guestOf: (cluster: SimulatedCluster, name: string) => guestNamed(cluster, name),
  };
}

/** As if somebody had started or stopped it. */
export function setStatus(cluster: SimulatedCluster, name: string, status: 'running' | 'stopped'): void {
  const guest = guestNamed(cluster, name);
  if (guest === undefined) throw new Error(`${cluster.name} has no guest ${name}`);
  guest.status = status;
}

export function guestNamed({ state }: SimulatedCluster, name: string) {
  return [...state.guests.values()].find(({ config }) => (config.name ?? config.hostname) === name);
}

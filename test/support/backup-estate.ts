import { type ClusterSpec, LOCAL_STORAGES } from '../../src/simulator/estate.ts';
import type { Volume } from '../../src/simulator/state/cluster-state.ts';
import type { Guest } from '../../src/simulator/state/guest.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from './tool-client.ts';

const ESTATE: ClusterSpec[] = [
  {
    name: 'production',
    nodes: [{ name: 'a1' }, { name: 'a2' }],
    storages: [
      ...LOCAL_STORAGES,
      {
        storage: 'vault',
        type: 'pbs',
        content: ['backup'],
        shared: true,
        totalGib: 500,
        options: { server: 'pbs.test', datastore: 'main' },
      },
    ],
    pools: [{ poolid: 'web' }],
    guests: [
      {
        vmid: 100,
        type: 'qemu',
        node: 'a1',
        name: 'web',
        status: 'running',
        pool: 'web',
        config: { cipassword: '$5$canary$secret' },
        backups: [{ ageDays: 1, notes: 'web' }, { ageDays: 2 }, { ageDays: 9, protected: true }],
      },
      { vmid: 101, type: 'qemu', node: 'a2', name: 'db' },
      {
        vmid: 110,
        type: 'lxc',
        node: 'a2',
        name: 'dns',
        diskGib: 4,
        backups: [{ ageDays: 3, notes: 'dns' }],
      },
    ],
  },
  {
    name: 'staging',
    nodes: [{ name: 'b1' }],
    guests: [{ vmid: 300, type: 'lxc', node: 'b1', name: 'stage' }],
  },
];

/** A client of two clusters whose guests have backups on local storages and may have some on a backup server. */
export const backupClient = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

/** The backups of `production`, newest first. */
export const backupsIn = ({ production }: ToolClient, vmid?: number): Volume[] =>
  production.state.volumes
    .filter((volume) => volume.content === 'backup' && (vmid === undefined || volume.vmid === vmid))
    .sort((a, b) => b.ctime - a.ctime);

/** The name of the newest backup of a guest. */
export const newest = (tools: ToolClient, vmid: number): string => String(backupsIn(tools, vmid)[0]?.volid);

export const guestIn = ({ production }: ToolClient, vmid: number): Guest => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`there is no guest ${vmid}`);
  return guest;
};

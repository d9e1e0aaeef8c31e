import type { ClusterSpec } from '../../src/simulator/estate.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from './tool-client.ts';

const ESTATE: ClusterSpec[] = [
  {
    name: 'production',
    nodes: [{ name: 'a1' }, { name: 'a2' }],
    pools: [{ poolid: 'old' }],
    guests: [
      { vmid: 100, type: 'qemu', node: 'a1', name: 'web', pool: 'old' },
      { vmid: 101, type: 'qemu', node: 'a1', name: 'db' },
      { vmid: 110, type: 'lxc', node: 'a2', name: 'dns' },
    ],
  },
];

/** The whole service over a cluster with two nodes, three guests and a pool. */
export const accessClient = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

/** What the simulated cluster keeps of users, roles and rights. */
export const accessOf = ({ production }: ToolClient) => production.state.access;

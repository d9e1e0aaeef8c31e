import { expect } from 'vitest';
import type { ClusterSpec, GuestSpec } from '../../src/simulator/estate.ts';
import { LOCAL_STORAGES } from '../../src/simulator/estate.ts';
import type { RecordedRequest } from '../../src/simulator/requests.ts';
import type { Guest } from '../../src/simulator/state/guest.ts';
import { type Answer, type ToolClient, type ToolClientOptions, toolClient } from './tool-client.ts';

export const TOOL = 'migrate_guest_between_clusters';

export const guest = (vmid: number, name: string, more: Partial<GuestSpec> = {}): GuestSpec => ({
  ...{ vmid, name, type: 'qemu', node: 'h1', diskGib: 20, memoryMib: 2048 },
  ...more,
});

/** A cluster that guests leave, and one that they come to, which has a storage and a node of its own. */
export function twoClusters(more: GuestSpec[] = []): ClusterSpec[] {
  return [
    {
      name: 'home',
      nodes: [{ name: 'h1' }, { name: 'h2' }],
      pools: [{ poolid: 'web' }],
      backupJobs: [
        { id: 'nightly', enabled: true, options: { vmid: '100,101', storage: 'local', schedule: '02:00' } },
      ],
      guests: [
        guest(100, 'web-01', { status: 'running', pool: 'web', config: { agent: '1', onboot: 1 } }),
        guest(101, 'db-01'),
        guest(110, 'dns-01', { type: 'lxc', status: 'running', diskGib: 8 }),
        ...more,
      ],
    },
    {
      name: 'away',
      nodes: [{ name: 'a1' }, { name: 'a2', memoryGib: 64 }],
      storages: [
        ...LOCAL_STORAGES,
        { storage: 'tank', type: 'dir', content: ['images', 'rootdir'], totalGib: 500 },
      ],
      guests: [guest(100, 'away-monitor', { node: 'a1', diskGib: 4 })],
    },
  ];
}

export interface MigrationClient extends ToolClient {
  /** Calls the tool for `home` and `away`. */
  move(args: Record<string, unknown>): Promise<Answer>;
  /** The same, that has to fail. */
  fails(args: Record<string, unknown>): Promise<Answer>;
  /** Asks for a plan, and repeats the call with its handle. */
  approved(args: Record<string, unknown>): Promise<Answer>;
  home(vmid: number): Guest;
  away(vmid: number): Guest | undefined;
  /** Of both clusters, what is no GET. */
  sent(): RecordedRequest[];
  lines(): string[];
}

export async function migrationClient(options: ToolClientOptions = {}): Promise<MigrationClient> {
  const simulator = { clusters: twoClusters(), ...options.simulator };
  const client = await toolClient({ ...options, simulator });
  const [home, away] = ['home', 'away'].map((name) => client.simulator.cluster(name));
  if (home === undefined || away === undefined) throw new Error('no clusters');
  const whole = (args: Record<string, unknown>) => ({ cluster: 'home', to: 'away', ...args });
  const sent = () => [...home.requests, ...away.requests].filter(({ method }) => method !== 'GET');
  return {
    ...client,
    move: (args) => client.call(TOOL, whole(args)),
    fails: (args) => client.refused(TOOL, whole(args)),
    async approved(args) {
      const { code, plan, message } = await client.refused(TOOL, whole(args));
      expect(code, message).toBe('APPROVAL_REQUIRED');
      return client.call(TOOL, whole({ ...args, handle: plan.handle }));
    },
    home(vmid) {
      const found = home.state.guests.get(vmid);
      if (found === undefined) throw new Error(`no guest ${vmid}`);
      return found;
    },
    away: (vmid) => away.state.guests.get(vmid),
    sent,
    lines: () => sent().map(({ method, path }) => `${method} ${path.replace('/api2/json', '')}`),
  };
}

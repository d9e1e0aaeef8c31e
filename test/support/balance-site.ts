import type { ClusterSpec, GuestSpec, StorageSpec } from '../../src/simulator/estate.ts';
import { LOCAL_STORAGES } from '../../src/simulator/estate.ts';
import { policyWith } from './gate.ts';
import { type Answer, type ToolClient, toolClient } from './tool-client.ts';

const SHARED: StorageSpec = {
  storage: 'san',
  type: 'nfs',
  content: ['images', 'rootdir'],
  shared: true,
  totalGib: 4000,
  options: { server: '192.0.2.50', export: '/san', path: '/mnt/pve/san' },
};

type Details = Partial<Omit<GuestSpec, 'vmid' | 'node'>>;

/** A running VM of 4 GiB on shared storage. */
export function vm(vmid: number, node: string, details: Details = {}): GuestSpec {
  return {
    ...{ vmid, node, type: 'qemu', name: `vm-${vmid}`, status: 'running' },
    ...{ cores: 2, memoryMib: 4096, diskGib: 8, storage: 'san' },
    ...details,
  };
}

export function container(vmid: number, node: string, details: Details = {}): GuestSpec {
  return vm(vmid, node, { type: 'lxc', name: `ct-${vmid}`, ...details });
}

/** Three nodes of 32 GiB with shared storage. */
export function clusterOf(guests: GuestSpec[], changes: Partial<ClusterSpec> = {}): ClusterSpec {
  return {
    name: 'lab',
    nodes: ['n1', 'n2', 'n3'].map((name) => ({ name, cpus: 16, memoryGib: 32 })),
    storages: [...LOCAL_STORAGES, SHARED],
    guests,
    ...changes,
  };
}

export interface BalanceSite extends ToolClient {
  /** Calls a tool, and once more with the handle of the plan that it shows. */
  approved(tool: string, args: Record<string, unknown>): Promise<{ answer: Answer; plan: Answer }>;
  nodeOf(vmid: number): string | undefined;
  /** What was sent to move guests, in order: `100 n1 n2`. */
  moved(): string[];
}

/** Noon of some day: what the simulated guests take goes by the hour, and so would what is planned. */
const NOON = Date.UTC(2026, 0, 14, 12);

/** A clock that runs, from noon on. */
function noonClock(): () => number {
  const startedAt = Date.now();
  return () => NOON + Date.now() - startedAt;
}

export async function balanceSite(
  guests: GuestSpec[],
  options: Parameters<typeof toolClient>[0] & { cluster?: Partial<ClusterSpec> } = {},
): Promise<BalanceSite> {
  const { cluster, ...more } = options;
  const client = await toolClient({
    gateOptions: { policy: policyWith('none') },
    ...more,
    simulator: { clusters: [clusterOf(guests, cluster)], clock: noonClock(), ...more.simulator },
  });
  const { production, refused, call, writes } = client;
  return {
    ...client,
    async approved(tool, args) {
      const { plan } = await refused(tool, args);
      if (plan?.handle === undefined) throw new Error(`${tool} asked for no plan`);
      return { answer: await call(tool, { ...args, handle: plan.handle }), plan };
    },
    nodeOf: (vmid) => production.state.guests.get(vmid)?.node,
    moved: () =>
      writes().flatMap(({ path, params }) => {
        const [, node, vmid] = /\/nodes\/([^/]+)\/[a-z]+\/(\d+)\/migrate$/.exec(path) ?? [];
        return vmid === undefined ? [] : [`${vmid} ${node} ${String(params.target)}`];
      }),
  };
}

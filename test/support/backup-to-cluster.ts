import { type ClusterSpec, LOCAL_STORAGES, type StorageSpec } from '../../src/simulator/estate.ts';
import type { RecordedRequest } from '../../src/simulator/requests.ts';
import { type Answer, type ToolClient, type ToolClientOptions, toolClient } from './tool-client.ts';

type Args = Record<string, unknown>;

const TOOL = 'backup_guest_to_cluster';

export const share = (storage: string, more: Partial<StorageSpec> = {}): StorageSpec => ({
  ...{ storage, type: 'nfs', content: ['backup'], shared: true, totalGib: 4000 },
  options: { server: '192.0.2.9', export: '/export/dumps', path: `/mnt/pve/${storage}` },
  ...more,
});

const vm = { type: 'qemu', node: 'h1', diskGib: 4, memoryMib: 512 } as const;

/** Two clusters that share an export, and one that shares nothing with them. */
export const HOME_AND_AWAY: ClusterSpec[] = [
  {
    name: 'home',
    nodes: [{ name: 'h1' }, { name: 'h2' }],
    storages: [...LOCAL_STORAGES, share('dumps')],
    pools: [{ poolid: 'shops' }],
    guests: [
      {
        ...{ ...vm, vmid: 200, name: 'shop', status: 'running', cores: 2, pool: 'shops' },
        config: {
          onboot: 1,
          ide2: 'local:iso/debian.iso,media=cdrom',
          ide0: 'local-lvm:vm-200-cloudinit,media=cdrom',
          net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr7,firewall=1',
          ipconfig0: 'ip=192.0.2.10/24,gw=192.0.2.1',
        },
      },
      { ...vm, vmid: 201, name: 'idle' },
      {
        ...{ ...vm, vmid: 210, type: 'lxc', name: 'dns', status: 'running' },
        config: { net0: 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:02,ip=192.0.2.53/24,gw=192.0.2.1' },
      },
      { ...vm, vmid: 220, name: 'busy', lock: 'backup' },
      { ...vm, vmid: 221, name: 'huge', diskGib: 600 },
      { ...vm, vmid: 222, name: 'gpu', config: { hostpci0: '0000:01:00.0' } },
      { ...vm, vmid: 223, name: 'broad', cores: 64 },
      { ...vm, vmid: 224, name: 'nowhere', config: { net0: 'virtio=BC:24:11:00:00:03,bridge=vmbr9' } },
      { ...vm, vmid: 300, name: 'same-vmid' },
    ],
  },
  {
    name: 'away',
    nodes: [{ name: 'a1', cpus: 8 }],
    storages: [
      ...LOCAL_STORAGES.filter(({ storage }) => storage === 'local'),
      {
        storage: 'disks',
        type: 'lvm',
        content: ['images', 'rootdir'],
        totalGib: 500,
        options: { vgname: 'disks' },
      },
      share('from-home'),
    ],
    guests: [{ vmid: 300, type: 'qemu', node: 'a1', name: 'resident', storage: 'disks', diskGib: 4 }],
  },
  { name: 'lonely', nodes: [{ name: 'l1' }], guests: [] },
];

export interface BetweenClient extends ToolClient {
  /** Calls the tool for a guest of `home` with `to: away`. */
  check(args: Args): Promise<Answer>;
  /** What it says to `start`, approving each plan that it shows. */
  start(args: Args): Promise<Answer>;
  /** The error of `start`, with no plan approved. */
  startRefused(args: Args): Promise<Answer>;
  /** Everything but GET that reached any cluster, in order, as `home POST /nodes/h1/vzdump`. */
  sent(): string[];
  /** The same with what was sent. */
  requestsOf(cluster: string, part: string): RecordedRequest[];
}

export async function betweenClient(options: ToolClientOptions = {}): Promise<BetweenClient> {
  const client = await toolClient({
    ...options,
    simulator: { clusters: HOME_AND_AWAY, ...options.simulator },
  });
  const { simulator, call, refused } = client;
  const whole = (args: Args) => ({ cluster: 'home', to: 'away', ...args });
  const writes = () =>
    simulator.clusters
      .flatMap(({ name, requests }) => requests.map((request) => ({ ...request, name })))
      .filter(({ method }) => method !== 'GET')
      .sort((a, b) => a.at - b.at);
  const approving = async (args: Args, handle?: string): Promise<Answer> => {
    const given = { ...whole(args), action: 'start', ...(handle === undefined ? {} : { handle }) };
    const { isError, structuredContent } = (await client.client.callTool({
      name: TOOL,
      arguments: given,
    })) as Answer;
    if (!isError) return structuredContent;
    const { error } = structuredContent;
    if (error.code !== 'APPROVAL_REQUIRED') throw new Error(JSON.stringify(error));
    return approving(args, error.plan.handle);
  };
  return {
    ...client,
    check: (args) => call(TOOL, whole(args)),
    start: (args) => approving(args),
    startRefused: (args) => refused(TOOL, { ...whole(args), action: 'start' }),
    sent: () =>
      writes().map(({ name, method, path }) => `${name} ${method} ${path.replace('/api2/json', '')}`),
    requestsOf: (cluster, part) =>
      simulator
        .cluster(cluster)
        .requests.filter(({ method, path }) => method !== 'GET' && path.includes(part)),
  };
}

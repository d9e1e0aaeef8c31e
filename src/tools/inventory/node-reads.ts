import type { GatedCluster } from '../../access/gate.ts';
import { isObject, type Json, number } from '../../catalogue/json.ts';
import { type ApiPath, apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { compact, isoTime, numberOf, rowsOf, textOf } from '../results.ts';

/** More packages than that are told by their number. */
const MOST_PACKAGES = 40;

export const NODE_PARTS = [
  'status',
  'version',
  'services',
  'subscription',
  'updates',
  'time',
  'dns',
] as const;

/** What a node tells of each part of itself, in words with units. Each throws CallError. */
export function nodeReaders(cluster: GatedCluster, node: string, now: () => number) {
  const read = async (path: ApiPath) => (await cluster.request({ method: 'GET', path })).data;
  const objectAt = async (path: ApiPath): Promise<Json> => {
    const data = await read(path);
    return isObject(data) ? data : {};
  };
  return {
    status: async () => statusOf(await objectAt(apiPath`/nodes/${node}/status`)),
    version: async () => {
      const { version, release, repoid } = await objectAt(apiPath`/nodes/${node}/version`);
      return compact({ version: textOf(version), release: textOf(release), repoid: textOf(repoid) });
    },
    services: async () => servicesOf(await read(apiPath`/nodes/${node}/services`)),
    subscription: () => subscriptionOf(cluster, node),
    updates: async () => updatesOf(await read(apiPath`/nodes/${node}/apt/update`)),
    time: async () => timeOf(() => objectAt(apiPath`/nodes/${node}/time`), now),
    dns: async () => {
      const { search, dns1, dns2, dns3 } = await objectAt(apiPath`/nodes/${node}/dns`);
      const servers = [dns1, dns2, dns3].flatMap((server) => textOf(server) ?? []);
      return { ...compact({ search_domain: textOf(search) }), servers };
    },
  };
}

function statusOf(status: Json) {
  const part = (name: string): Json => (isObject(status[name]) ? status[name] : {});
  const [cpu, memory, swap, root] = ['cpuinfo', 'memory', 'swap', 'rootfs'].map((name) => part(name ?? ''));
  const [boot, kernel] = [part('boot-info'), part('current-kernel')];
  const swapTotal = numberOf(swap?.total);
  return compact({
    uptime_seconds: numberOf(status.uptime),
    cpu_fraction: numberOf(status.cpu),
    iowait_fraction: numberOf(status.wait),
    load_average: Array.isArray(status.loadavg)
      ? status.loadavg.flatMap((load) => number(load) ?? [])
      : undefined,
    cpu_model: textOf(cpu?.model),
    cpus: numberOf(cpu?.cpus),
    cpu_cores: numberOf(cpu?.cores),
    cpu_sockets: numberOf(cpu?.sockets),
    mem_used_bytes: numberOf(memory?.used),
    mem_available_bytes: numberOf(memory?.available),
    mem_total_bytes: numberOf(memory?.total),
    ...(swapTotal ? { swap_used_bytes: numberOf(swap?.used), swap_total_bytes: swapTotal } : {}),
    root_used_bytes: numberOf(root?.used),
    root_total_bytes: numberOf(root?.total),
    kernel: textOf(kernel.release) ?? textOf(status.kversion),
    boot_mode: textOf(boot.mode),
    secure_boot: boot.secureboot === undefined ? undefined : Boolean(boot.secureboot),
  });
}

/** One that is not there, or was switched off for good, needs no look. */
const UNUSED = ['not-found', 'masked', 'disabled'];

function servicesOf(data: unknown) {
  const rows = rowsOf(data);
  const isRunning = ({ state }: Json) => state === 'running' || state === 'exited';
  return {
    running: rows.filter(isRunning).flatMap(({ name }) => textOf(name) ?? []),
    not_running: rows
      .filter((row) => !isRunning(row) && !UNUSED.includes(String(row['unit-state'])))
      .map((row) =>
        compact({
          service: textOf(row.name),
          description: textOf(row.desc),
          state: textOf(row['active-state']) ?? textOf(row.state),
        }),
      ),
  };
}

const LEVELS: Readonly<Record<string, string>> = { c: 'community', b: 'basic', s: 'standard', p: 'premium' };

/**
 * What the list of nodes tells: the level of an active subscription. The whole of it is in
 * `/nodes/{node}/subscription`, which gives away the key and so is no mere read.
 */
async function subscriptionOf(cluster: GatedCluster, node: string) {
  const { rows } = await cluster.inventory();
  const level = rows.find((row) => row.type === 'node' && row.node === node)?.level;
  if (typeof level !== 'string') {
    throw new CallError('PERMISSION_DENIED', 'Proxmox does not tell it.', {
      cluster: cluster.name,
      hint: 'It takes Sys.Audit on the node: PVEAuditor on / gives it.',
    });
  }
  return level === '' ? { active: false } : { active: true, level: LEVELS[level] ?? level };
}

function updatesOf(data: unknown) {
  const rows = rowsOf(data);
  const packages = rows.slice(0, MOST_PACKAGES).map((row) =>
    compact({
      package: textOf(row.Package),
      from: textOf(row.OldVersion),
      to: textOf(row.Version),
      origin: textOf(row.Origin),
    }),
  );
  return { total: rows.length, packages };
}

async function timeOf(read: () => Promise<Json>, now: () => number) {
  const before = now();
  const { time, timezone } = await read();
  const told = numberOf(time);
  // Half of the way there and back; and PVE cuts the fraction of its second off.
  const asked = before + (now() - before) / 2;
  return compact({
    timezone: textOf(timezone),
    time: told === undefined ? undefined : isoTime(told * 1000),
    ahead_seconds: told === undefined ? undefined : Math.round(told + 0.5 - asked / 1000),
  });
}

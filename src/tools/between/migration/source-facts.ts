import { isObject, isTrue, type Json } from '../../../catalogue/json.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { readJobs } from '../../backups/job-row.ts';
import type { ApiCall, ToolContext } from '../../define.ts';
import { CONFIG_CALLS, readConfig } from '../../guest-config.ts';
import { LIVE_CALLS, type LiveState, liveState } from '../../guest-live.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { readNetwork } from '../../network/interfaces.ts';
import { readParts } from '../../parts.ts';
import { rowsOf, textOf } from '../../results.ts';
import { readContents } from '../../storage/content.ts';
import { type Finding, warns } from '../finding.ts';
import { cpuOf, type HostCpu } from './cpu.ts';
import { type Parts, partsOf, storagesOf } from './disks.ts';

export const SOURCE_CALLS: readonly ApiCall[] = [
  ...LIVE_CALLS,
  ...CONFIG_CALLS,
  ['GET', '/nodes/{node}/qemu/{vmid}/snapshot'],
  ['GET', '/nodes/{node}/lxc/{vmid}/snapshot'],
  ['GET', '/nodes/{node}/qemu/{vmid}/agent/info'],
  ['GET', '/nodes/{node}/status'],
  ['GET', '/nodes/{node}/version'],
  ['GET', '/nodes/{node}/network'],
  ['GET', '/nodes/{node}/storage/{storage}/content', 'content', 'vmid'],
  ['GET', '/cluster/replication'],
  ['GET', '/cluster/backup'],
];

/** A guest as it stands before it leaves; what could not be read is undefined, and among `unread`. */
export interface SourceFacts {
  guest: GuestTarget;
  live: LiveState;
  values: Json;
  parts: Parts;
  snapshots: readonly string[] | undefined;
  replication: readonly string[] | undefined;
  jobs: readonly Json[] | undefined;
  /** Guests that stand on disks of this one. */
  clones: readonly number[] | undefined;
  cpu: HostCpu | undefined;
  release: string | undefined;
  networks: readonly Json[] | undefined;
  /** The agent has just answered. */
  agentAnswers: boolean;
  unread: readonly Finding[];
}

/** Reads all at once. @throws CallError where the guest itself can't be read */
export async function readSource(guest: GuestTarget, context: ToolContext): Promise<SourceFacts> {
  const { cluster, at } = guest;
  const { node } = guest.guest;
  const [live, { values }] = await Promise.all([liveState(guest), readConfig(guest)]);
  const parts = partsOf(values);
  const get = async (path: ReturnType<typeof at>) => (await cluster.request({ method: 'GET', path })).data;
  const known = await readParts<Read>(
    {
      snapshots: async () =>
        rowsOf(await get(at('snapshot')))
          .flatMap(({ name }) => textOf(name) ?? [])
          .filter((name) => name !== 'current'),
      replication: async () =>
        rowsOf(await get(apiPath`/cluster/replication`))
          .filter((row) => Number(row.guest) === guest.guest.vmid)
          .flatMap(({ id }) => textOf(id) ?? []),
      'backup jobs': () => readJobs(cluster),
      'linked clones': () => clonesOf(guest, live, parts),
      'processor of its node': async () => cpuOf(await objectAt(get(apiPath`/nodes/${node}/status`))),
      'version of its node': async () =>
        textOf((await objectAt(get(apiPath`/nodes/${node}/version`))).version),
      'network of its node': async () => (await readNetwork(cluster, node)).raw,
    },
    context.signal,
  );
  const { parts: read, unread } = known;
  return {
    guest,
    live,
    values,
    parts,
    snapshots: read.snapshots,
    replication: read.replication,
    jobs: read['backup jobs'],
    clones: read['linked clones'],
    cpu: read['processor of its node'],
    release: read['version of its node'],
    networks: read['network of its node'],
    agentAnswers: await agentAnswers(guest, live),
    unread: unreadFindings(cluster.name, unread),
  };
}

type Read = {
  snapshots: string[];
  replication: string[];
  'backup jobs': Json[];
  'linked clones': number[];
  'processor of its node': HostCpu;
  'version of its node': string | undefined;
  'network of its node': Json[];
};

export function unreadFindings(
  cluster: string,
  unread: readonly { part: string; problem: string }[] = [],
): Finding[] {
  return unread.map(({ part, problem }) =>
    warns(`Not known of ${cluster}: ${part} (${problem})`, 'Look at it yourself, or grant the read.'),
  );
}

/** Whether the agent of a VM that runs answers now; a silent one is no error. */
export async function agentAnswers({ cluster, guest, at }: GuestTarget, live: LiveState): Promise<boolean> {
  if (guest.type !== 'qemu' || live.state !== 'running' || !isTrue(live.row.agent)) return false;
  try {
    await cluster.request({ method: 'GET', path: at('agent', 'info'), deadlineMs: 5000 });
    return true;
  } catch {
    return false;
  }
}

/** Only a template has any. */
async function clonesOf({ cluster, guest }: GuestTarget, live: LiveState, parts: Parts): Promise<number[]> {
  if (!live.isTemplate) return [];
  const own = parts.disks.map(({ volid }) => volid);
  const contents = await Promise.all(
    storagesOf(parts).map((storage) => readContents(cluster, { storage, node: guest.node })),
  );
  const volumes = contents.flatMap((content) => content.volumes);
  const isOwn = (parent: string) => own.some((volid) => volid === parent || volid.endsWith(`:${parent}`));
  const clones = volumes.filter(({ parent, volid }) => {
    const base = own.some((one) => volid.startsWith(`${one}/`));
    return base || (parent !== undefined && isOwn(parent));
  });
  return [...new Set(clones.flatMap(({ vmid }) => vmid ?? []))].filter((vmid) => vmid !== guest.vmid);
}

export async function objectAt(data: Promise<unknown>): Promise<Json> {
  const value = await data;
  return isObject(value) ? value : {};
}

import type { GatedCluster } from '../../../access/gate.ts';
import { isTrue, type Json } from '../../../catalogue/json.ts';
import type { Inventory, NodeRow } from '../../../clusters/inventory.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { CallError, toCallError } from '../../../proxmox/errors.ts';
import type { NodeAddress } from '../../../proxmox/node-link.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ApiCall, ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { readNetwork } from '../../network/interfaces.ts';
import { readParts } from '../../parts.ts';
import { numberOf, rowsOf, textOf } from '../../results.ts';
import { blocks, type Finding } from '../finding.ts';
import { cpuOf, type HostCpu } from './cpu.ts';
import { objectAt, unreadFindings } from './source-facts.ts';

export const TARGET_CALLS: readonly ApiCall[] = [
  ['GET', '/cluster/resources'],
  ['GET', '/cluster/status'],
  ['GET', '/cluster/nextid', 'vmid'],
  ['GET', '/cluster/mapping/pci'],
  ['GET', '/cluster/mapping/usb'],
  ['GET', '/cluster/sdn/vnets'],
  ['GET', '/nodes/{node}/status'],
  ['GET', '/nodes/{node}/version'],
  ['GET', '/nodes/{node}/network'],
  ['GET', '/nodes/{node}/storage'],
  ['GET', '/nodes/{node}/capabilities/qemu/cpu'],
  ['GET', '/nodes/{node}/capabilities/qemu/machines'],
  ['GET', '/access/permissions'],
];

/** A storage as the target node has it. */
export interface Room {
  storage: string;
  content: readonly string[];
  isUsable: boolean;
  freeBytes: number | undefined;
}

/** Where a guest is to come; what could not be read is undefined, and among `unread`. */
export interface TargetFacts {
  cluster: GatedCluster;
  node: string;
  vmid: number;
  /** Guests of the cluster as the caller sees them. */
  guests: Inventory['guests'];
  address: NodeAddress | undefined;
  rooms: readonly Room[] | undefined;
  networks: readonly Json[] | undefined;
  vnets: readonly Json[] | undefined;
  cpu: HostCpu | undefined;
  release: string | undefined;
  machines: readonly string[] | undefined;
  models: readonly Json[] | undefined;
  mappings: { pci: readonly string[]; usb: readonly string[] } | undefined;
  found: readonly Finding[];
}

interface Wanted {
  node: string | undefined;
  vmid: number | undefined;
  /** VMID of the guest where it comes from: it keeps it where that is free. */
  sourceVmid: number;
  isVm: boolean;
  hasMappings: boolean;
}

/**
 * Reads all at once.
 *
 * @throws CallError NOT_FOUND where the node is not there, INVALID_ARGUMENTS where none is up; what the cluster answers
 */
export async function readTarget(
  cluster: GatedCluster,
  wanted: Wanted,
  context: ToolContext,
): Promise<TargetFacts> {
  const { nodes, guests } = await cluster.inventory({ fresh: true });
  const node = nodeOf(cluster, nodes, wanted.node);
  const [known, number, address] = await Promise.all([
    readNode(cluster, node, wanted, context),
    freeNumber(cluster, wanted),
    addressOf(cluster, node),
  ]);
  const { parts, unread } = known;
  return {
    cluster,
    node,
    vmid: number.vmid,
    guests,
    address: address.at,
    rooms: parts.storages,
    networks: parts.network,
    vnets: parts.VNets,
    cpu: parts.processor,
    release: parts.version,
    machines: parts['machine types'],
    models: parts['CPU models'],
    mappings: parts['resource mappings'],
    found: [...address.found, ...number.found, ...unreadFindings(`${cluster.name} (${node})`, unread)],
  };
}

type Read = {
  storages: Room[];
  network: readonly Json[];
  VNets: Json[];
  processor: HostCpu;
  version: string | undefined;
  'machine types': string[];
  'CPU models': Json[];
  'resource mappings': { pci: string[]; usb: string[] };
};

function readNode(cluster: GatedCluster, node: string, { isVm, hasMappings }: Wanted, context: ToolContext) {
  const get = async (path: ReturnType<typeof apiPath>) =>
    (await cluster.request({ method: 'GET', path })).data;
  const names = async (path: ReturnType<typeof apiPath>) =>
    rowsOf(await get(path)).flatMap(({ id }) => textOf(id) ?? []);
  return readParts<Read>(
    {
      storages: async () => rowsOf(await get(apiPath`/nodes/${node}/storage`)).map(roomOf),
      network: async () => (await readNetwork(cluster, node)).raw,
      VNets: async () => rowsOf(await get(apiPath`/cluster/sdn/vnets`)),
      version: async () => textOf((await objectAt(get(apiPath`/nodes/${node}/version`))).version),
      ...(isVm
        ? {
            processor: async () => cpuOf(await objectAt(get(apiPath`/nodes/${node}/status`))),
            'machine types': () => names(apiPath`/nodes/${node}/capabilities/qemu/machines`),
            'CPU models': async () => rowsOf(await get(apiPath`/nodes/${node}/capabilities/qemu/cpu`)),
          }
        : {}),
      ...(hasMappings
        ? {
            'resource mappings': async () => {
              const [pci, usb] = await Promise.all([
                names(apiPath`/cluster/mapping/pci`),
                names(apiPath`/cluster/mapping/usb`),
              ]);
              return { pci, usb };
            },
          }
        : {}),
    },
    context.signal,
  );
}

function roomOf(row: Json): Room {
  return {
    storage: textOf(row.storage) ?? '',
    content: (textOf(row.content) ?? '').split(',').filter(Boolean),
    isUsable: isTrue(row.active) && (row.enabled === undefined || isTrue(row.enabled)),
    freeBytes: numberOf(row.avail),
  };
}

/** The node that is named, the default one, or the one with the most free memory. */
function nodeOf(cluster: GatedCluster, nodes: readonly NodeRow[], named: string | undefined): string {
  const wanted = named ?? cluster.settings.defaultNode;
  const free = ({ maxMemBytes = 0, memBytes = 0 }: NodeRow) => maxMemBytes - memBytes;
  const [roomiest] = nodes.filter(({ status }) => status === 'online').sort((a, b) => free(b) - free(a));
  const found = wanted === undefined ? roomiest : nodes.find(({ node }) => node === wanted);
  if (found !== undefined) return found.node;
  const names = someOf(nodes.map(({ node }) => quoted(node)).sort(), 30);
  throw new CallError(
    wanted === undefined ? 'CONFLICT' : 'NOT_FOUND',
    wanted === undefined
      ? `No node of ${cluster.name} is online.`
      : `${cluster.name} has no node ${quoted(wanted)}.`,
    {
      cluster: cluster.name,
      hint: `Its nodes are: ${names || 'none that the token sees'}. Nothing was sent.`,
    },
  );
}

/** Proxmox itself says whether a number is free: also of guests that the caller can't see. */
async function freeNumber(cluster: GatedCluster, { vmid, sourceVmid }: Wanted) {
  const ask = async (wanted?: number): Promise<number> => {
    const data = wanted === undefined ? {} : { vmid: wanted };
    return Number((await cluster.request({ method: 'GET', path: apiPath`/cluster/nextid`, data })).data);
  };
  const asked = vmid ?? sourceVmid;
  try {
    await ask(asked);
    return { vmid: asked, found: [] };
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    if (code !== 'INVALID_ARGUMENTS' && code !== 'CONFLICT') throw thrown;
    const next = await ask();
    if (vmid === undefined) return { vmid: next, found: [] };
    return {
      vmid,
      found: [
        blocks(
          `VMID ${vmid} is taken on ${cluster.name} (${message})`,
          `Pass target_vmid=${next}, or leave it out.`,
        ),
      ],
    };
  }
}

async function addressOf(cluster: GatedCluster, node: string) {
  try {
    return { at: await cluster.addressOf(node), found: [] };
  } catch (thrown) {
    const { code, message, hint } = toCallError(thrown);
    return {
      at: undefined,
      found: [
        blocks(`${quoted(node)} of ${cluster.name} can't be named to the source (${code}): ${message}`, hint),
      ],
    };
  }
}

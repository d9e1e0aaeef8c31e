import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { knownNode } from '../nodes.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { readParts, unreadField, withoutUnread } from '../parts.ts';
import { count, noted, rowsOf } from '../results.ts';
import { type Device, hostDevices, type MappingKind, mappingsOf } from './host-devices.ts';

/** Of each kind; a large host shows a hundred functions of its network cards. */
const MOST_DEVICES = 150;

const device = z.looseObject({ id: z.string(), mapping: z.string().optional() });

export const listNodeDevices = defineTool({
  name: 'list_node_devices',
  title: 'List node devices',
  description: 'Lists PCI and USB devices for passthrough, with IOMMU groups and cluster mappings.',
  toolset: 'inventory',
  annotations: READS,
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/nodes/{node}/hardware/pci'],
    ['GET', '/nodes/{node}/hardware/usb'],
    ['GET', '/cluster/mapping/pci'],
    ['GET', '/cluster/mapping/usb'],
  ],
  input: z.strictObject({ cluster: clusterParam, node: nodeParam }),
  output: z.object({
    ...selectedFields,
    node: z.string(),
    pci: z.array(device).optional(),
    usb: z.array(device).optional(),
    mappings: z.array(z.looseObject({ mapping: z.string(), kind: z.string() })).optional(),
    unread: unreadField,
    note: z.string().optional(),
  }),
  async run(args, context) {
    const cluster = context.cluster(args.cluster);
    const node = await knownNode(cluster, args.node);
    const { parts, unread } = await readParts(
      {
        pci: async () => rowsAt(cluster, apiPath`/nodes/${node}/hardware/pci`),
        usb: async () => rowsAt(cluster, apiPath`/nodes/${node}/hardware/usb`),
        pci_mappings: () => mappings(cluster, 'pci'),
        usb_mappings: () => mappings(cluster, 'usb'),
      },
      context.signal,
    );
    const known = [
      ...mappingsOf('pci', parts.pci_mappings ?? []),
      ...mappingsOf('usb', parts.usb_mappings ?? []),
    ];
    const { pci, usb } = hostDevices(node, parts, known);
    return {
      ...selectionOf(cluster),
      node,
      ...(pci === undefined ? {} : { pci: pci.slice(0, MOST_DEVICES) }),
      ...(usb === undefined ? {} : { usb: usb.slice(0, MOST_DEVICES) }),
      ...(known.length === 0
        ? {}
        : { mappings: known.slice(0, MOST_DEVICES).map(({ entries: _, ...rest }) => rest) }),
      ...(unread === undefined ? {} : { unread }),
      ...noted(withoutGroups(pci), cutNote(pci, 'PCI'), cutNote(usb, 'USB'), cutNote(known, 'mapped')),
    };
  },
  summary({ cluster, node, pci, usb, unread, note }) {
    const told = [
      ...(pci === undefined ? [] : [count(pci.length, 'PCI device')]),
      ...(usb === undefined ? [] : [count(usb.length, 'USB device')]),
    ];
    return `${quoted(node)} of ${cluster} shows ${told.join(' and ') || 'no devices'}.${withoutUnread(unread)}${note ? ` ${note}` : ''}`;
  },
});

async function rowsAt(cluster: GatedCluster, path: ReturnType<typeof apiPath>) {
  const { data } = await cluster.request({ method: 'GET', path });
  return rowsOf(data);
}

/** @throws CallError INVALID_ARGUMENTS where the cluster's version has none: they came with Proxmox VE 8 */
async function mappings(cluster: GatedCluster, kind: MappingKind) {
  const catalogue = await cluster.catalogue();
  if (catalogue.source !== 'built-in' && catalogue.get('GET', `/cluster/mapping/${kind}`) === undefined) {
    const version = catalogue.version ?? 'an older one';
    throw new CallError('INVALID_ARGUMENTS', `Mappings need Proxmox VE 8; ${cluster.name} has ${version}.`, {
      cluster: cluster.name,
      hint: 'Pass devices through by their addresses, as root@pam.',
    });
  }
  return rowsAt(cluster, apiPath`/cluster/mapping/${kind}`);
}

function withoutGroups(pci: readonly Device[] | undefined): string | undefined {
  if (pci === undefined || pci.length === 0 || pci.some(({ iommu_group }) => iommu_group !== undefined))
    return undefined;
  return 'No device is in an IOMMU group: switch IOMMU (VT-d or AMD-Vi) on in the firmware before passing any through.';
}

function cutNote(all: readonly unknown[] | undefined, kind: string): string | undefined {
  if (all === undefined || all.length <= MOST_DEVICES) return undefined;
  return `The first ${MOST_DEVICES} of ${all.length} ${kind} devices.`;
}

import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject, isTrue, type Json, number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { knownNode } from '../nodes.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { compact, count, noted, numberOf, rowsOf, textOf } from '../results.ts';

/** A storage server has that many; each row is short. */
const MOST_DISKS = 200;
const TEXT_LENGTH = 6000;

const diskRow = z.looseObject({ device: z.string(), health: z.string().optional() });

export const listNodeDisks = defineTool({
  name: 'list_node_disks',
  title: 'List node disks',
  description: 'Lists the physical disks of a node with health and wear, or the SMART values of one.',
  toolset: 'inventory',
  annotations: READS,
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/nodes/{node}/disks/list'],
    ['GET', '/nodes/{node}/disks/smart', 'disk'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    smart: textParam(100).optional().describe('A device: /dev/sda.'),
  }),
  output: z.object({
    ...selectedFields,
    node: z.string(),
    disks: z.array(diskRow),
    total: z.int(),
    smart: z.looseObject({ health: z.string().optional() }).optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const cluster = context.cluster(args.cluster);
    const node = await knownNode(cluster, args.node);
    const { data } = await cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/disks/list` });
    const all = rowsOf(data)
      .map(diskOf)
      .sort((a, b) => a.device.localeCompare(b.device, 'en', { numeric: true }));
    const { smart } = args;
    const disks =
      smart === undefined ? all.slice(0, MOST_DISKS) : all.filter(({ device }) => device === smart);
    if (smart !== undefined && disks.length === 0) throw noSuchDisk(cluster, node, smart, all);
    const details = smart === undefined ? undefined : await smartOf(cluster, node, smart);
    const cut = disks.length < all.length ? `The first ${MOST_DISKS} of ${all.length} disks.` : undefined;
    return {
      ...selectionOf(cluster),
      node,
      disks,
      total: smart === undefined ? all.length : disks.length,
      ...(details === undefined ? {} : { smart: details }),
      ...noted(smart === undefined ? cut : undefined),
    };
  },
  summary({ cluster, node, disks, total, smart, note }) {
    const where = `${quoted(node)} of ${cluster}`;
    if (smart !== undefined) {
      return `SMART says of ${quoted(disks[0]?.device ?? '')} of ${where}: ${quoted(smart.health ?? 'unknown')}.`;
    }
    const bad = disks.filter(({ health }) => isBad(health)).map(({ device }) => quoted(device));
    const health = bad.length === 0 ? '' : ` Not healthy: ${someOf(bad)}.`;
    return `${where} has ${count(total, 'disk')}.${health}${note ? ` ${note}` : ''}`;
  },
});

/** What SMART can't tell of, as behind a RAID controller, is not ill. */
function isBad(health: string | undefined): boolean {
  return health !== undefined && !['PASSED', 'OK', 'UNKNOWN'].includes(health.toUpperCase());
}

function diskOf(row: Json): z.output<typeof diskRow> {
  const osds = Array.isArray(row['osdid-list']) ? row['osdid-list'] : [];
  const rpm = number(row.rpm);
  return {
    device: textOf(row.devpath) ?? '',
    ...compact({
      type: textOf(row.type),
      size_bytes: numberOf(row.size),
      model: textOf(row.model),
      vendor: textOf(row.vendor)?.trim(),
      serial: textOf(row.serial),
      used_for: textOf(row.used),
      mounted: isTrue(row.mounted) || undefined,
      health: textOf(row.health),
      // PVE's `wearout` counts down from 100, though its interface shows the complement; N/A where nobody knows.
      life_left_percent: number(row.wearout),
      rpm: rpm !== undefined && rpm > 0 ? rpm : undefined,
      ceph_osds: osds.length === 0 ? undefined : osds,
    }),
  };
}

/** @throws CallError */
async function smartOf(cluster: GatedCluster, node: string, disk: string) {
  const path = apiPath`/nodes/${node}/disks/smart`;
  const { data } = await cluster.request({ method: 'GET', path, data: { disk } });
  const smart = isObject(data) ? data : {};
  const text = textOf(smart.text)?.trim();
  const attributes = rowsOf(smart.attributes).map((row) =>
    compact({
      id: number(typeof row.id === 'string' ? row.id.trim() : row.id),
      name: textOf(row.name),
      value: number(row.value),
      worst: number(row.worst),
      threshold: number(row.threshold),
      raw: textOf(row.raw),
      failed: row.fail === '-' || row.fail === undefined ? undefined : textOf(row.fail),
    }),
  );
  return compact({
    health: textOf(smart.health),
    type: textOf(smart.type),
    attributes: attributes.length === 0 ? undefined : attributes,
    text:
      text !== undefined && text.length > TEXT_LENGTH
        ? `${text.slice(0, TEXT_LENGTH).toWellFormed()}…`
        : text,
  });
}

function noSuchDisk(
  cluster: GatedCluster,
  node: string,
  disk: string,
  all: readonly z.output<typeof diskRow>[],
): CallError {
  return new CallError('NOT_FOUND', `${quoted(node)} of ${cluster.name} has no disk ${quoted(disk)}.`, {
    cluster: cluster.name,
    hint: `It has ${someOf(
      all.map(({ device }) => quoted(device)),
      30,
    )}.`,
  });
}

import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { compact, textOf } from '../results.ts';
import { requireVersion } from '../versions.ts';
import { refused } from './interfaces.ts';
import {
  configured,
  findObject,
  kindOf,
  nameOf,
  readKind,
  requireKind,
  requireObject,
  type SdnKind,
  sdnCalls,
  sdnParams,
  sdnPath,
} from './sdn-kinds.ts';
import { readSettings, type Settings, settingsOf, subnetProblem, TYPES, typeKey } from './sdn-rules.ts';

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);
const input = z.strictObject({
  cluster: clusterParam,
  ...sdnParams,
  id: sdnParams.id.describe('Of a subnet its network, 10.0.0.0/24.'),
  type: textParam(20)
    .optional()
    .describe(
      'Of a new one: zone simple|vlan|qinq|vxlan|evpn, controller evpn|bgp|isis, ipam, dns; fabric openfabric|ospf…',
    ),
  settings: z
    .record(z.string(), value)
    .default({})
    .describe(
      "By Proxmox' names: bridge, peers, tag, zone, vlanaware, gateway, snat, dhcp-range, mtu, nodes…",
    ),
  reset: z.array(textParam(40)).max(30).default([]),
});
type Args = z.output<typeof input>;

/** A subnet names its type, too; IPAM and DNS take theirs when they are made. */
const CREATED = (kind: SdnKind): string[] => [
  kindOf(kind).key,
  ...(kind === 'vnet' ? [] : [typeKey(kind)]),
  ...settingsOf(kind),
];
const CHANGED = (kind: SdnKind): string[] => [
  ...(typeKey(kind) === 'protocol' ? ['protocol'] : []),
  ...settingsOf(kind),
  ...['delete', 'digest'],
];

export const saveSdn = defineTool({
  name: 'save_sdn',
  title: 'Prepare an SDN object',
  description:
    'Makes or changes a zone, VNet, subnet, controller, IPAM, DNS or fabric: what is not given stays. Nothing happens on the nodes until apply_sdn.',
  toolset: 'network',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ...sdnCalls('POST', false, CREATED),
    ...sdnCalls('PUT', true, CHANGED),
    ...sdnCalls('GET', false, (kind) => (kindOf(kind).isApplied ? ['pending'] : [])),
  ],
  input,
  output: z.object({
    ...selectedFields,
    kind: z.string(),
    id: z.string(),
    created: z.boolean(),
    changed: z.array(z.string()),
  }),
  async run(args, context) {
    const { kind, id, parent } = args;
    const cluster = context.cluster(args.cluster).alone();
    await requireKind(cluster, kind, parent);
    const found = findObject(kind, await readKind(cluster, kind, parent), id);
    const present = found === undefined ? undefined : configured(found);
    const isNew = present === undefined || present.state === 'deleted';
    const { settings, removed, type } = wantedSettings(args, isNew ? undefined : present, cluster.name);
    await requireFitting(cluster, args, settings, isNew ? undefined : present);
    const { key, path } = kindOf(kind);
    const method = isNew ? 'POST' : 'PUT';
    await requireKnown(cluster, method, isNew ? path : `${path}/{${key}}`, Object.keys(settings));
    if (!isNew && Object.keys(settings).length + removed.length === 0) {
      throw refused(
        cluster.name,
        'INVALID_ARGUMENTS',
        'Nothing to change was given.',
        'Pass `settings` or `reset`.',
      );
    }
    // Of what is written as arrays Proxmox wants an array of names, elsewhere a list in one text.
    const gone =
      removed.length === 0 ? undefined : typeKey(kind) === 'protocol' ? removed : removed.join(',');
    const typed = type === '' ? {} : { [typeKey(kind)]: type };
    const fixed = typeKey(kind) === 'protocol' ? typed : {};
    await cluster.request(
      isNew
        ? {
            method,
            path: sdnPath(kind, parent),
            data: { [key]: id, ...typed, ...(kind === 'subnet' ? { type: 'subnet' } : {}), ...settings },
          }
        : {
            method,
            path: sdnPath(kind, parent, String(present[key])),
            data: { ...fixed, ...settings, ...compact({ delete: gone, digest: textOf(present.digest) }) },
          },
    );
    return {
      ...selectionOf(cluster),
      kind,
      id,
      created: isNew,
      changed: [...Object.keys(settings), ...removed],
    };
  },
  summary({ cluster, kind, id, created, changed }) {
    const { word, isApplied } = kindOf(kind as SdnKind);
    const what = changed.length === 0 ? '' : `: ${someOf(changed)}`;
    const next = isApplied ? ' Prepared; apply_sdn brings it to the nodes.' : '';
    return `The ${word} ${quoted(id)} of ${cluster} was ${created ? 'made' : 'changed'}${what}.${next}`;
  },
});

/** @throws CallError INVALID_ARGUMENTS */
function wantedSettings(args: Args, present: Json | undefined, cluster: string) {
  const { kind, settings, reset } = args;
  const refuse = (message: string, hint: string) => refused(cluster, 'INVALID_ARGUMENTS', message, hint);
  const types = Object.keys(TYPES[kind]);
  const known = textOf(present?.[typeKey(kind)]);
  const type = types.includes('') ? '' : (args.type ?? known ?? '');
  if (type === '' && !types.includes('')) {
    throw refuse(`Say which type the new ${kindOf(kind).word} is.`, `Pass \`type\`: ${types.join(', ')}.`);
  }
  if (known !== undefined && type !== '' && known !== type) {
    throw refuse(`It is of type ${known}, which can't be changed.`, 'Leave `type` out, or make another one.');
  }
  const read = readSettings(kind, type, settings, { isNew: present === undefined, reset });
  if ('problem' in read) throw refuse(read.problem, read.hint);
  return { ...read, type };
}

/** What one object asks of another. @throws CallError */
async function requireFitting(
  cluster: GatedCluster,
  { kind, id, parent }: Args,
  settings: Settings,
  present: Json | undefined,
): Promise<void> {
  const refuse = (message: string, hint: string) => refused(cluster.name, 'INVALID_ARGUMENTS', message, hint);
  if (kind === 'zone' || kind === 'vnet') {
    if (!/^[a-z][a-z0-9]{0,6}[a-z0-9]$/i.test(id)) {
      throw refuse(
        `${quoted(id)} is no name of a ${kindOf(kind).word}.`,
        'Two to eight letters and digits, a letter first.',
      );
    }
  }
  if (kind === 'subnet') {
    const cidr = present === undefined ? id : nameOf(kind, present);
    const problem = subnetProblem(cidr, settings);
    if (problem !== undefined) throw refuse(`Such a subnet can't be: ${problem}.`, 'Correct it.');
    requireObject(cluster.name, 'vnet', await readKind(cluster, 'vnet'), parent ?? '');
  }
  if (kind === 'vnet') await requireZone(cluster, { ...present, ...settings });
  if (kind === 'zone' && typeof settings.controller === 'string') {
    requireObject(cluster.name, 'controller', await readKind(cluster, 'controller'), settings.controller);
  }
}

/** A VNet of a simple zone has no tag; all others tell their VNets apart by it. */
async function requireZone(cluster: GatedCluster, vnet: Settings): Promise<void> {
  const zones = await readKind(cluster, 'zone');
  const zone = configured(requireObject(cluster.name, 'zone', zones, String(vnet.zone)));
  const isTagged = zone.type !== 'simple';
  if (isTagged === (vnet.tag !== undefined)) return;
  throw refused(
    cluster.name,
    'INVALID_ARGUMENTS',
    isTagged
      ? `A VNet of the ${String(zone.type)} zone ${quoted(String(vnet.zone))} needs tag, its VLAN or VXLAN number.`
      : `A VNet of the simple zone ${quoted(String(vnet.zone))} has no tag.`,
    isTagged ? 'Pass it in `settings`.' : 'Leave it out.',
  );
}

/** What only newer versions have is said before it is sent. */
async function requireKnown(
  cluster: GatedCluster,
  method: 'POST' | 'PUT',
  template: string,
  names: readonly string[],
): Promise<void> {
  await Promise.all(
    names.map((parameter) =>
      requireVersion(cluster, method, template, {
        what: `Settings such as ${parameter}`,
        since: '9',
        parameter,
      }),
    ),
  );
}

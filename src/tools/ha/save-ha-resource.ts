import { z } from 'zod';
import type { Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { CONFIG_CALLS, isCdrom, readConfig, VOLUME_KEY } from '../guest-config.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import { type GuestTarget, guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { wholeParam } from '../params.ts';
import { notNow } from '../refusals.ts';
import { noted, textOf } from '../results.ts';
import { requireVersion } from '../versions.ts';
import { GENERATION_CALLS, generationOf, HA_CALLS, RULE_READS, readHa, readRules, sidOf } from './ha.ts';
import { resourceRow, resourceRowOf } from './resource-row.ts';
import { requireRule } from './rule-row.ts';

const input = z.strictObject({
  ...guestParams,
  state: z
    .enum(['started', 'stopped', 'disabled', 'ignored'])
    .optional()
    .describe('New: as the guest is now. started starts it.'),
  max_restart: wholeParam(0, 100).optional(),
  max_relocate: wholeParam(0, 100).optional(),
  failback: z.boolean().optional().describe('9.x.'),
  group: z.string().max(128).optional().describe('8.x; "" takes it out.'),
  comment: z.string().max(4096).optional(),
});

type Args = z.output<typeof input>;

const PARAMETERS = ['state', 'max_restart', 'max_relocate', 'failback', 'group', 'comment'];

export const saveHaResource = defineTool({
  name: 'save_ha_resource',
  title: 'Put a guest under HA',
  description: 'Puts a guest under HA, or changes how HA treats it.',
  toolset: 'ha',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/cluster/ha/resources', 'sid', ...PARAMETERS],
    ['PUT', '/cluster/ha/resources/{sid}', ...PARAMETERS, 'delete', 'digest'],
    ...HA_CALLS,
    ...RULE_READS,
    ...GENERATION_CALLS,
    ...LIVE_CALLS,
    ...CONFIG_CALLS,
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...guestFields,
    created: z.boolean(),
    resource: resourceRow,
    note: z.string().optional(),
  }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const { cluster, guest } = target;
    const sid = sidOf(guest);
    await checkGeneration(target, args);
    const known = (await readHa(cluster)).resources.get(sid);
    if (known === undefined) await create(target, args);
    else await change(target, args, known);
    const ha = await readHa(cluster);
    const row = ha.resources.get(sid) ?? { sid };
    return {
      ...target.fields(),
      created: known === undefined,
      resource: resourceRowOf(row, ha, new Map([[guest.vmid, guest.name]])),
      ...noted(known === undefined ? await stuckNote(target) : undefined),
    };
  },
  summary(answer) {
    const { created, resource, note = '' } = answer;
    const what = created ? 'is under HA now' : 'is treated by HA as told';
    return `${guestLabel(answer)} ${what}: wanted ${quoted(resource.wanted)}, ${quoted(resource.state)} at this moment.${note && ` ${note}`}`;
  },
});

/** Groups went with 9.0, and failing back became a matter of the resource. */
async function checkGeneration({ cluster }: GuestTarget, { failback, group }: Args): Promise<void> {
  if (failback !== undefined) {
    const what = { what: '`failback` of a resource and its kind', since: '9.0', parameter: 'failback' };
    await requireVersion(cluster, 'PUT', '/cluster/ha/resources/{sid}', what);
  }
  if (group === undefined) return;
  const generation = await generationOf(cluster);
  if (generation === 'rules') {
    throw notNow(cluster, `${cluster.name} has HA rules in place of groups.`, 'Use save_ha_rule.');
  }
  if (group !== '') requireRule(cluster, await readRules(cluster, generation), group, generation);
}

async function create(target: GuestTarget, args: Args): Promise<void> {
  const { cluster, guest } = target;
  const live = await liveState(target);
  if (live.isTemplate) {
    throw notNow(cluster, `${guest.vmid} is a template, which never runs.`, 'Clone it, and add the clone.');
  }
  // Proxmox's own default would start a guest that somebody has stopped.
  const state = args.state ?? (live.state === 'running' || live.state === 'paused' ? 'started' : 'stopped');
  const data = { sid: sidOf(guest), ...optionsOf(args), state };
  const path = apiPath`/cluster/ha/resources`;
  await cluster.request({ method: 'POST', path, data, expectName: args.name });
}

async function change({ cluster, guest }: GuestTarget, args: Args, known: Json): Promise<void> {
  const gone = (['group', 'comment'] as const).filter((key) => args[key] === '' && known[key] !== undefined);
  const data = {
    ...optionsOf(args),
    delete: gone.length === 0 ? undefined : gone.join(','),
    digest: textOf(known.digest),
  };
  const path = apiPath`/cluster/ha/resources/${sidOf(guest)}`;
  await cluster.request({ method: 'PUT', path, data, expectName: args.name });
}

function optionsOf({ state, max_restart, max_relocate, failback, group, comment }: Args) {
  return {
    state,
    max_restart,
    max_relocate,
    failback,
    group: group || undefined,
    comment: comment || undefined,
  };
}

/** What HA can't help: disks that no other node has, and a cluster that can't lose a node. */
async function stuckNote(target: GuestTarget): Promise<string | undefined> {
  const { cluster, guest } = target;
  const [{ values }, { nodes, storages }] = await Promise.all([readConfig(target), cluster.inventory()]);
  const local = Object.entries(values).flatMap(([key, value]) => {
    if (!VOLUME_KEY.test(key) || key.startsWith('unused') || isCdrom(value)) return [];
    const storage = /^(?:volume=|file=)?([A-Za-z][\w.-]*):/.exec(String(value))?.[1];
    const row = storages.find((one) => one.storage === storage && one.node === guest.node);
    return row === undefined || row.shared ? [] : [`${key} on ${quoted(row.storage)}`];
  });
  const notes = [
    ...(local.length === 0
      ? []
      : [
          `Without its node HA can't start it elsewhere: ${someOf(local)} is on no shared storage (replication helps).`,
        ]),
    ...(nodes.length > 0 && nodes.length < 3
      ? ['HA needs three votes; with fewer nodes the loss of one leaves no quorum.']
      : []),
  ];
  return notes.length === 0 ? undefined : notes.join(' ');
}

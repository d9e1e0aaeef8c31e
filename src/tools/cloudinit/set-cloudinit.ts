import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { someOf } from '../fleet.ts';
import { CONFIG_CALLS, readConfig } from '../guest-config.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import { guestFields, guestLabel, guestParams, guestTarget, requireKind } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { unfitting } from '../refusals.ts';
import { compact, noted } from '../results.ts';
import {
  addressesParam,
  addressOptions,
  driveOf,
  keysParam,
  keysText,
  nameserversParam,
} from './cloudinit.ts';

const REMOVABLE = {
  user: 'ciuser',
  password: 'cipassword',
  ssh_keys: 'sshkeys',
  nameservers: 'nameserver',
  search_domain: 'searchdomain',
  upgrade: 'ciupgrade',
  cicustom: 'cicustom',
} as const;
const REMOVABLE_NAMES = Object.keys(REMOVABLE) as (keyof typeof REMOVABLE)[];

const input = z.strictObject({
  ...guestParams,
  user: textParam(64).optional(),
  password: textParam(256).optional(),
  ssh_keys: keysParam,
  addresses: addressesParam,
  nameservers: nameserversParam,
  search_domain: textParam(253).optional(),
  upgrade: z.boolean().optional().describe('Packages, at the first start.'),
  cicustom: textParam(500).optional().describe('user=local:snippets/x.yaml'),
  remove: z
    .array(
      textParam(20).refine(
        (name) => Object.hasOwn(REMOVABLE, name),
        `is none of ${REMOVABLE_NAMES.join(', ')}`,
      ),
    )
    .max(10)
    .optional(),
});

type Args = z.output<typeof input>;

export const setCloudinit = defineTool({
  name: 'set_cloudinit',
  title: 'Set cloud-init',
  description: 'Changes cloud-init settings of a VM; regenerates the drive of a running one.',
  toolset: 'cloudinit',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    [
      ...(['PUT', '/nodes/{node}/qemu/{vmid}/config', ...Object.values(REMOVABLE)] as const),
      ...['ipconfig0', 'delete', 'digest'],
    ],
    ['PUT', '/nodes/{node}/qemu/{vmid}/cloudinit'],
    ...LIVE_CALLS,
    ...CONFIG_CALLS,
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...guestFields,
    changed: z.array(z.string()),
    regenerated: z.boolean(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    requireKind(target, 'qemu', 'set up by cloud-init');
    const { cluster, at } = target;
    const [{ values, digest }, live] = await Promise.all([readConfig(target), liveState(target)]);
    const { set, removed } = changesOf(args, values);
    const changed = [...Object.keys(set), ...removed];
    if (changed.length === 0) throw unfitting('Nothing to change was given.');
    const drive = driveOf(values);
    const isRunning = live.state === 'running' || live.state === 'paused';
    const data = { ...set, ...compact({ delete: removed.join(','), digest }) };
    const expected = { expectName: args.name };
    const change: GateRequest = { method: 'PUT', path: at('config'), data, ...expected };
    const renewal: GateRequest = { method: 'PUT', path: at('cloudinit'), ...expected };
    const regenerates = drive !== undefined && isRunning;
    if (regenerates) await cluster.approve([change, renewal]);
    await cluster.request(change);
    const problem = regenerates ? await problemOf(cluster.request(renewal), context) : undefined;
    const noDrive =
      'It has no cloud-init drive, without which they have no effect: update_guest with set ide2: "<storage>:cloudinit" adds one.';
    const inGuest = 'The guest takes them at its next start.';
    return {
      ...target.fields(),
      changed,
      regenerated: regenerates && problem === undefined,
      ...noted(problem ?? (drive === undefined ? noDrive : isRunning ? inGuest : undefined)),
    };
  },
  summary(answer) {
    const { changed, regenerated, note } = answer;
    const drive = regenerated ? ' Its drive was regenerated.' : '';
    return `Of ${guestLabel(answer)}, ${someOf(changed)} of cloud-init was changed.${drive}${note ? ` ${note}` : ''}`;
  },
});

/** The settings are changed by then: an error would have the whole repeated. */
async function problemOf(renewal: Promise<unknown>, { signal }: ToolContext): Promise<string | undefined> {
  try {
    await renewal;
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const { message } = toCallError(error);
    return `They are set, and the drive was not written anew: ${message} regenerate_cloudinit does that.`;
  }
}

/** @throws CallError INVALID_ARGUMENTS */
function changesOf(args: Args, values: Readonly<Record<string, unknown>>) {
  const set = {
    ...compact({
      ciuser: args.user,
      cipassword: args.password,
      sshkeys: keysText(args.ssh_keys),
      nameserver: args.nameservers?.join(' '),
      searchdomain: args.search_domain,
      ciupgrade: args.upgrade,
      cicustom: args.cicustom,
    }),
    ...addressOptions(args.addresses ?? [], values),
  };
  const named = REMOVABLE_NAMES.filter((name) => args.remove?.includes(name)).map((name) => REMOVABLE[name]);
  const both = named.filter((key) => Object.hasOwn(set, key));
  if (both.length > 0) throw unfitting(`${someOf(both)} is given, and is to be removed.`);
  return { set, removed: named.filter((key) => values[key] !== undefined) };
}

import { z } from 'zod';
import { isTrue } from '../../catalogue/json.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { CONFIG_CALLS, readConfig } from '../guest-config.ts';
import { LIVE_CALLS, type LiveState, liveState } from '../guest-live.ts';
import { type GuestTarget, guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { compact, count, isoTime } from '../results.ts';
import { shownAddresses, shownConfig, shownPending, shownSnapshots, shownState } from './guest-view.ts';

/** An agent that hangs must not keep the rest waiting. */
const AGENT_MS = 8000;

export const getGuest = defineTool({
  name: 'get_guest',
  title: 'Show a guest',
  description:
    'Live state, configuration, pending changes, addresses, snapshots and last backup of a VM or container.',
  toolset: 'guests',
  annotations: READS,
  calls: [
    ...LIVE_CALLS,
    ...CONFIG_CALLS,
    ['GET', '/nodes/{node}/qemu/{vmid}/pending'],
    ['GET', '/nodes/{node}/lxc/{vmid}/pending'],
    ['GET', '/nodes/{node}/qemu/{vmid}/snapshot'],
    ['GET', '/nodes/{node}/lxc/{vmid}/snapshot'],
    ['GET', '/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces'],
    ['GET', '/nodes/{node}/lxc/{vmid}/interfaces'],
    ['GET', '/nodes/{node}/storage/{storage}/content', 'content'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject(guestParams),
  output: z.object({
    ...guestFields,
    status: z.looseObject({ state: z.enum(['running', 'paused', 'stopped', 'hibernated']) }).optional(),
    config: z
      .object({
        options: z.looseObject({}),
        disks: z.array(z.looseObject({ id: z.string() })),
        nics: z.array(z.looseObject({ id: z.string() })),
        digest: z.string().optional(),
      })
      .optional(),
    addresses: z.array(z.looseObject({ nic: z.string(), ips: z.array(z.string()) })).optional(),
    snapshots: z.object({ total: z.int(), newest: z.array(z.looseObject({ name: z.string() })) }).optional(),
    last_backup_at: z.string().optional(),
    pending: z.array(z.looseObject({ key: z.string() })).optional(),
    problems: z.array(z.object({ part: z.string(), code: z.string(), message: z.string() })).optional(),
  }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const read = Object.entries(partsOf(target)).map(([part, data]) =>
      data.then(
        (fields) => ({ part, fields, error: undefined }),
        (error: unknown) => ({ part, fields: {}, error: toCallError(error) }),
      ),
    );
    const parts = await Promise.all(read);
    context.signal.throwIfAborted();
    const failed = parts.flatMap(({ part, error }) => (error === undefined ? [] : [{ part, error }]));
    // Without state and configuration there is nothing to tell: it is gone, or may not be seen.
    const [status] = failed.filter(({ part }) => part === 'status');
    if (status !== undefined && failed.some(({ part }) => part === 'config')) throw status.error;
    const problems = failed.map(({ part, error: { code, message } }) => ({ part, code, message }));
    return {
      ...target.fields(),
      ...Object.assign({}, ...parts.map(({ fields }) => fields)),
      ...(problems.length === 0 ? {} : { problems }),
    };
  },
  summary(answer) {
    const { guest, status, addresses, snapshots, last_backup_at, pending = [], problems = [] } = answer;
    const ips = addresses?.flatMap((address) => address.ips).slice(0, 3) ?? [];
    const parts = [
      `${guestLabel(answer)} is ${status?.state ?? 'in a state that could not be read'} on ${quoted(guest.node)}`,
      ...(ips.length === 0 ? [] : [`addresses ${ips.map(quoted).join(', ')}`]),
      ...(snapshots === undefined ? [] : [count(snapshots.total, 'snapshot')]),
      ...(problems.some(({ part }) => part === 'backup')
        ? []
        : [last_backup_at === undefined ? 'no backup found' : `last backup ${last_backup_at}`]),
      ...(pending.length === 0 ? [] : [`${count(pending.length, 'change')} waiting for its next start`]),
    ];
    const missing =
      problems.length === 0 ? '' : ` Not known: ${problems.map(({ part }) => part).join(', ')}.`;
    return `${parts.join('; ')}.${missing}`;
  },
});

/** All begin at once; each fails for itself. */
function partsOf(target: GuestTarget): Record<string, Promise<Record<string, unknown>>> {
  const { cluster, at } = target;
  const live = liveState(target);
  const get = async (below: string): Promise<unknown> =>
    (await cluster.request({ method: 'GET', path: at(below) })).data;
  return {
    status: live.then((state) => ({ status: shownState(state) })),
    config: readConfig(target).then(({ values, digest }) => ({
      config: { ...shownConfig(values), ...compact({ digest }) },
    })),
    pending: get('pending').then((data) => ({ pending: shownPending(data) })),
    snapshots: get('snapshot').then((data) => ({ snapshots: shownSnapshots(data) })),
    backup: lastBackup(target),
    addresses: live.then((state) => addressesOf(target, state)),
  };
}

async function addressesOf(target: GuestTarget, { state, row }: LiveState): Promise<Record<string, unknown>> {
  const { cluster, guest, at } = target;
  if (state !== 'running') return {};
  if (guest.type === 'qemu' && !isTrue(row.agent)) {
    // `problems` shows no hint, so the message itself says what to do.
    throw new CallError(
      'UPSTREAM_ERROR',
      'The guest agent, which alone knows them, is not enabled: set it by update_guest agent=true, and install it in the guest.',
      { hint: 'Set agent=true with update_guest and install the agent in the guest.' },
    );
  }
  const path = guest.type === 'qemu' ? at('agent', 'network-get-interfaces') : at('interfaces');
  const { data } = await cluster.request({ method: 'GET', path, deadlineMs: AGENT_MS });
  return { addresses: shownAddresses(data) };
}

async function lastBackup({ cluster, guest }: GuestTarget): Promise<Record<string, unknown>> {
  const { newest, unread, hidden } = await cluster.backups();
  const at = newest.get(guest.vmid);
  if (at !== undefined) return { last_backup_at: isoTime(at) };
  const storages = [...new Set(unread.map(({ storage }) => storage))];
  const isHidden = hidden?.has(guest.vmid) === true;
  if (!isHidden && storages.length === 0) return {};
  const why = isHidden
    ? 'The token lacks VM.Backup on the guest, and is shown no backups.'
    : `These storages could not be read: ${someOf(storages)}.`;
  throw new CallError('PERMISSION_DENIED', why, { hint: 'Ask the operator for the right.' });
}

import { z } from 'zod';
import { isTrue } from '../../catalogue/json.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { CONFIG_CALLS, readConfig } from '../guest-config.ts';
import {
  type GuestTarget,
  guestFields,
  guestLabel,
  guestParams,
  guestTarget,
  requireKind,
} from '../guest-target.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { driveOf, shownAddresses, shownKeys } from './cloudinit.ts';
import { withoutPasswords } from './user-data.ts';

const KINDS = ['user', 'network', 'meta'] as const;
/** Of each part: a snippet may be of any length. */
const MOST_CHARACTERS = 16_000;

export const getCloudinit = defineTool({
  name: 'get_cloudinit',
  title: 'Get cloud-init settings',
  description:
    'Shows the cloud-init settings of a VM, what its drive lacks of them, and what the guest reads (`generated`).',
  toolset: 'cloudinit',
  annotations: READS,
  calls: [
    ['GET', '/nodes/{node}/qemu/{vmid}/cloudinit'],
    ['GET', '/nodes/{node}/qemu/{vmid}/cloudinit/dump', 'type'],
    ...CONFIG_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({ ...guestParams, generated: z.boolean().default(false) }),
  output: z.object({
    ...guestFields,
    drive: z.string().optional().describe('Absent: the VM has none, and the settings no effect.'),
    user: z.string().optional(),
    password: z.literal('set').optional(),
    ssh_keys: z.array(z.string()).optional(),
    addresses: z.array(z.looseObject({ nic: z.string() })),
    nameserver: z.string().optional(),
    searchdomain: z.string().optional(),
    upgrade: z.boolean().optional(),
    cicustom: z.string().optional(),
    citype: z.string().optional(),
    not_on_drive: z.array(z.string()).optional().describe('Settings that regenerate_cloudinit writes to it.'),
    generated: z.record(z.string(), z.string()).optional(),
    unread: z.record(z.string(), z.string()).optional(),
  }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    requireKind(target, 'qemu', 'set up by cloud-init');
    const unread: Record<string, string> = {};
    const part = async <T>(name: string, work: Promise<T>): Promise<T | undefined> => {
      try {
        return await work;
      } catch (thrown) {
        context.signal.throwIfAborted();
        unread[name] = toCallError(thrown).message;
        return undefined;
      }
    };
    const kinds = args.generated ? KINDS : [];
    const [{ values }, waiting, ...parts] = await Promise.all([
      readConfig(target),
      part('pending', changesOf(target)),
      ...kinds.map(async (kind) => [kind, await part(kind, dumpOf(target, kind))] as const),
    ]);
    const texts = parts.flatMap(([kind, text]) => (text === undefined ? [] : [[kind, text] as const]));
    return {
      ...target.fields(),
      ...settingsOf(values),
      ...(waiting === undefined || waiting.length === 0 ? {} : { not_on_drive: waiting }),
      ...(texts.length === 0 ? {} : { generated: Object.fromEntries(texts) }),
      ...(Object.keys(unread).length === 0 ? {} : { unread }),
    };
  },
  summary(answer) {
    const { drive, user, addresses, not_on_drive = [], unread = {} } = answer;
    const ips = addresses.map(({ nic, ip, ip6 }) => `${nic} ${[ip, ip6].filter(Boolean).join(' ')}`);
    const who = user === undefined ? 'the default user of its image' : `the user ${quoted(user)}`;
    const waits =
      not_on_drive.length === 0 ? '' : ` Its drive lacks ${someOf(not_on_drive)}: regenerate_cloudinit.`;
    const missing = Object.keys(unread).length === 0 ? '' : ` Not read: ${someOf(Object.keys(unread))}.`;
    if (drive === undefined) return `${guestLabel(answer)} has no cloud-init drive.${missing}`;
    return `${guestLabel(answer)} is set up by cloud-init with ${who}; ${someOf(ips) || 'no address is set'}.${waits}${missing}`;
  },
});

function settingsOf(values: Readonly<Record<string, unknown>>) {
  const { ciuser, cipassword, sshkeys, nameserver, searchdomain, ciupgrade, cicustom, citype } = values;
  return {
    addresses: shownAddresses(values),
    ...compact({
      drive: driveOf(values),
      user: textOf(ciuser),
      password: cipassword === undefined ? undefined : ('set' as const),
      ssh_keys: shownKeys(sshkeys),
      nameserver: textOf(nameserver),
      searchdomain: textOf(searchdomain),
      upgrade: ciupgrade === undefined ? undefined : isTrue(ciupgrade),
      cicustom: textOf(cicustom),
      citype: textOf(citype),
    }),
  };
}

/** The settings that the drive was not generated from. @throws CallError */
export async function changesOf({ cluster, at }: GuestTarget): Promise<string[]> {
  const { data } = await cluster.request({ method: 'GET', path: at('cloudinit') });
  return rowsOf(data).flatMap((row) => {
    const isWaiting = row.pending !== undefined || isTrue(row.delete);
    return isWaiting ? (textOf(row.key) ?? []) : [];
  });
}

async function dumpOf({ cluster, at }: GuestTarget, kind: (typeof KINDS)[number]): Promise<string> {
  const { data } = await cluster.request({
    method: 'GET',
    path: at('cloudinit', 'dump'),
    data: { type: kind },
  });
  const text = withoutPasswords(typeof data === 'string' ? data : '');
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS).toWellFormed()}…`;
}

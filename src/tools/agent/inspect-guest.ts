import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { guestFields, guestLabel, guestParams } from '../guest-target.ts';
import { shownAddresses } from '../guests/guest-view.ts';
import { readParts, unreadField, withoutUnread } from '../parts.ts';
import { compact } from '../results.ts';
import { AGENT_CALLS, agentTarget, askAgent } from './agent.ts';
import { shownAgent, shownFileSystems, shownOs, shownTime, shownUsers } from './inside-view.ts';

/** An agent that hangs must not keep the caller waiting. */
const AGENT_MS = 10_000;
const AGENT = '/nodes/{node}/qemu/{vmid}/agent';
const PARTS = ['hostname', 'os', 'addresses', 'file_systems', 'users', 'time', 'agent'] as const;

export const inspectGuest = defineTool({
  name: 'inspect_guest',
  title: 'Look into a guest',
  description:
    'What the agent of a VM tells: addresses, OS, file systems, users, time, host name, its own version.',
  toolset: 'agent',
  annotations: READS,
  calls: [
    ['GET', `${AGENT}/get-host-name`],
    ['GET', `${AGENT}/get-osinfo`],
    ['GET', `${AGENT}/network-get-interfaces`],
    ['GET', `${AGENT}/get-fsinfo`],
    ['GET', `${AGENT}/get-users`],
    ['GET', `${AGENT}/get-time`],
    ['GET', `${AGENT}/get-timezone`],
    ['GET', `${AGENT}/info`],
    ...AGENT_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    include: z.array(z.enum(PARTS)).min(1).optional().describe('All where absent.'),
  }),
  output: z.object({
    ...guestFields,
    hostname: z.string().optional(),
    os: z.looseObject({}).optional(),
    addresses: z.array(z.looseObject({ nic: z.string(), ips: z.array(z.string()) })).optional(),
    file_systems: z.array(z.looseObject({ mountpoint: z.string() })).optional(),
    users: z.array(z.looseObject({ user: z.string() })).optional(),
    time: z.looseObject({}).optional(),
    agent: z.looseObject({}).optional(),
    unread: unreadField,
  }),
  async run({ include = PARTS, ...wanted }, context) {
    const target = await agentTarget(context, wanted);
    const get = (name: string) =>
      askAgent(target, { method: 'GET', path: target.at('agent', name), deadlineMs: AGENT_MS });
    const readers = {
      hostname: async () => hostOf(await get('get-host-name')),
      os: async () => shownOs(await get('get-osinfo')),
      addresses: async () => shownAddresses(await get('network-get-interfaces')),
      file_systems: async () => shownFileSystems(await get('get-fsinfo')),
      users: async () => shownUsers(await get('get-users')),
      time: async () => {
        const [time, zone] = await Promise.all([get('get-time'), get('get-timezone').catch(() => undefined)]);
        return shownTime(time, zone, context.now());
      },
      agent: async () => shownAgent(await get('info')),
    };
    const wantedParts = Object.entries(readers).filter(([part]) => include.some((name) => name === part));
    const { parts, unread } = await readParts<Partial<PartsOf<typeof readers>>>(
      Object.fromEntries(wantedParts),
      context.signal,
    );
    return { ...target.fields(), ...compact({ ...parts, unread }) };
  },
  summary(answer) {
    const { hostname, os = {}, addresses = [], file_systems = [], unread } = answer;
    const ips = addresses.flatMap((address) => address.ips).slice(0, 4);
    const full = file_systems.filter(
      ({ used_percent }) => typeof used_percent === 'number' && used_percent >= 90,
    );
    const parts = [
      ...(hostname === undefined ? [] : [`host name ${quoted(hostname)}`]),
      ...(typeof os.name === 'string' ? [quoted(os.name)] : []),
      ...(ips.length === 0 ? [] : [`addresses ${ips.map(quoted).join(', ')}`]),
      ...(full.length === 0
        ? []
        : [`nearly full: ${someOf(full.map(({ mountpoint }) => quoted(mountpoint)))}`]),
    ];
    return `${guestLabel(answer)}: ${parts.join('; ') || 'the agent answers'}.${withoutUnread(unread)}`;
  },
});

type PartsOf<Readers extends Record<string, () => Promise<unknown>>> = {
  [Name in keyof Readers]: Awaited<ReturnType<Readers[Name]>>;
};

function hostOf(result: unknown): string {
  const name =
    typeof result === 'object' && result !== null && 'host-name' in result ? result['host-name'] : '';
  return String(name);
}

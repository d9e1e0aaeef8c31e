import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { scalar } from '../../catalogue/json.ts';
import { didYouMean } from '../../config/nearest.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { textParam } from '../params.ts';
import { compact, noted, textOf } from '../results.ts';
import { EFFECT_CALLS, effectOf, readOptions } from './effect.ts';
import { LOCKOUT_CALLS, requireWayIn } from './lockout.ts';
import { callsOf, changedScope, type Scope, scopeFields, scopeParams } from './scope.ts';

const OF_LOGS = ['log_level_in', 'log_level_out'];
const NODE_OPTIONS = [
  ...[...OF_LOGS, 'log_level_forward', 'log_nf_conntrack', 'ndp', 'nf_conntrack_allow_invalid'],
  ...['nf_conntrack_helpers', 'nf_conntrack_max', 'nf_conntrack_tcp_timeout_established', 'nftables'],
  ...['nf_conntrack_tcp_timeout_syn_recv', 'nosmurfs', 'protection_synflood', 'protection_synflood_burst'],
  ...['protection_synflood_rate', 'smurf_log_level', 'tcp_flags_log_level', 'tcpflags'],
];
const CONTROL = ['enable', 'delete', 'digest'];
const GUEST_OPTIONS = ['policy_in', 'policy_out', ...OF_LOGS, 'dhcp', 'ipfilter', 'macfilter', 'ndp', 'radv'];
const DATACENTER_OPTIONS = ['policy_in', 'policy_out', 'policy_forward', 'ebtables', 'log_ratelimit'];

/** What each takes; the cluster's own version decides in the end. */
const OPTIONS = {
  datacenter: DATACENTER_OPTIONS,
  node: NODE_OPTIONS,
  guest: GUEST_OPTIONS,
  vnet: ['policy_forward', 'log_level_forward'],
  group: [],
} as const;

const input = z.strictObject({
  ...scopeParams,
  enable: z.boolean().optional(),
  policy_in: z.enum(['ACCEPT', 'REJECT', 'DROP']).optional(),
  policy_out: z.enum(['ACCEPT', 'REJECT', 'DROP']).optional(),
  options: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .default({})
    .describe("Others by Proxmox' names: policy_forward, log_level_in, macfilter, ipfilter, dhcp, nftables…"),
  reset: z.array(textParam(40)).max(30).default([]).describe('Options to set back to their defaults.'),
});

export const setFirewallOptions = defineTool({
  name: 'set_firewall_options',
  title: 'Set firewall options',
  description:
    'Turns the firewall of a guest, node, vnet or the datacenter on or off, sets policies and options.',
  toolset: 'firewall',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ...callsOf(['datacenter'], 'PUT', '/options', ...CONTROL, ...DATACENTER_OPTIONS),
    ...callsOf(['node'], 'PUT', '/options', ...CONTROL, ...NODE_OPTIONS),
    ...callsOf(['qemu', 'lxc'], 'PUT', '/options', ...CONTROL, ...GUEST_OPTIONS),
    ...callsOf(['vnet'], 'PUT', '/options', ...CONTROL, ...OPTIONS.vnet),
    ...EFFECT_CALLS,
    ...LOCKOUT_CALLS,
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...scopeFields,
    changed: z.array(z.string()),
    before: z.record(z.string(), z.unknown()),
    effective: z.boolean(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const scope = await changedScope(context, args);
    const { options, reset } = await wantedOptions(scope, args);
    const now = await readOptions(scope);
    await requireWayIn(scope, now, options, reset);
    const removed = reset.filter((name) => now[name] !== undefined);
    const set = Object.fromEntries(
      Object.entries(options).filter(([name, value]) => !isSame(now[name], value)),
    );
    const changed = [...Object.keys(set), ...removed];
    const before = Object.fromEntries(changed.flatMap((name) => (name in now ? [[name, now[name]]] : [])));
    if (changed.length > 0) {
      const data = { ...set, ...compact({ delete: removed.join(','), digest: textOf(now.digest) }) };
      const request: GateRequest = { method: 'PUT', path: scope.at('options'), data, ...scope.expecting };
      await scope.cluster.request(request);
    }
    const kept = Object.entries(now).filter(([name]) => !removed.includes(name));
    const { effective, why } = await effectOf(scope, { ...Object.fromEntries(kept), ...set });
    return {
      ...scope.fields(),
      changed,
      before,
      effective,
      ...noted(effective || why.length === 0 ? undefined : `It filters nothing: ${why.join('; ')}.`),
    };
  },
  summary({ scope, changed, effective, note }) {
    const what =
      changed.length === 0
        ? 'the firewall is as wanted already; nothing was sent'
        : `the firewall was changed: ${someOf(changed)}`;
    return `${scope.label}: ${what}. ${note ?? (effective ? 'It filters.' : '')}`.trimEnd();
  },
});

type Options = Readonly<Record<string, string | number | boolean>>;

/** @throws CallError INVALID_ARGUMENTS with what this firewall takes */
async function wantedOptions(scope: Scope, args: z.output<typeof input>) {
  const { enable, policy_in, policy_out, reset } = args;
  const given = compact({ enable, policy_in, policy_out });
  // The datacenter's is a number, which PVE reads no `true` as.
  const flag = given.enable === undefined ? {} : { enable: given.enable ? 1 : 0 };
  const options: Options = { ...args.options, ...given, ...flag };
  const catalogue = await scope.cluster.catalogue();
  const method = catalogue.get('PUT', scope.template('/options'));
  const known = ['enable', ...OPTIONS[scope.kind]].filter(
    (name) =>
      method === undefined || catalogue.source === 'built-in' || Object.hasOwn(method.parameters, name),
  );
  const [unknown] = [...Object.keys(options), ...reset].filter((name) => !known.includes(name));
  if (unknown !== undefined) {
    const asked = `${scope.label}: its firewall has no option ${inQuotes(unknown)}.${didYouMean(unknown, known)}`;
    throw refused(scope, asked, `It takes ${known.join(', ')}.`);
  }
  const twice = reset.find((name) => options[name] !== undefined);
  if (twice !== undefined) throw refused(scope, `${twice} is both set and reset.`, 'Decide for one.');
  if (Object.keys(options).length + reset.length === 0) {
    throw refused(scope, 'Nothing to change was given.', 'Pass enable, a policy, `options` or `reset`.');
  }
  return { options, reset };
}

function isSame(now: unknown, wanted: string | number | boolean): boolean {
  const text = typeof wanted === 'boolean' ? (wanted ? '1' : '0') : String(wanted);
  return String(scalar(now) ?? '') === text;
}

function refused({ cluster }: Scope, message: string, hint: string): CallError {
  return new CallError('INVALID_ARGUMENTS', message, {
    cluster: cluster.name,
    hint: `${hint} Nothing was sent.`,
  });
}

import { z } from 'zod';
import { type Json, number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { defineTool, READS } from '../define.ts';
import { compact, count, noted, rowsOf } from '../results.ts';
import { EFFECT_CALLS, effectOf, readOptions } from './effect.ts';
import { callsOf, read, ruleCalls, type Scope, scopeFields, scopeOf, scopeParams } from './scope.ts';

/** What holds where nothing is set (pve-firewall.8). */
const POLICIES = {
  datacenter: { policy_in: 'DROP', policy_out: 'ACCEPT', policy_forward: 'ACCEPT' },
  guest: { policy_in: 'DROP', policy_out: 'ACCEPT' },
  vnet: { policy_forward: 'ACCEPT' },
  node: {},
  group: {},
} as const;

export const getFirewall = defineTool({
  name: 'get_firewall',
  title: 'Firewall state',
  description:
    'Shows the firewall of a guest, node or vnet, or with none of them of the datacenter: options, policies, how many rules and names, and whether it filters at all.',
  toolset: 'firewall',
  annotations: READS,
  calls: [
    ...EFFECT_CALLS,
    ...ruleCalls('GET', ''),
    ...callsOf(['datacenter', 'qemu', 'lxc'], 'GET', '/aliases'),
    ...callsOf(['datacenter', 'qemu', 'lxc'], 'GET', '/ipset'),
    ...callsOf(['datacenter'], 'GET', '/groups'),
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject(scopeParams),
  output: z.object({
    ...scopeFields,
    effective: z.boolean(),
    why_not: z.array(z.string()).optional(),
    policies: z.record(z.string(), z.string()),
    options: z.record(z.string(), z.unknown()),
    counts: z.record(z.string(), z.int()),
    digest: z.string().optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const scope = await scopeOf(context, args);
    const [{ digest, ...options }, { counts, problems }] = await Promise.all([
      readOptions(scope),
      countsOf(scope),
    ]);
    const { effective, why } = await effectOf(scope, options);
    return {
      ...scope.fields(),
      effective,
      ...(why.length === 0 ? {} : { why_not: why }),
      policies: policiesOf(scope, options),
      options,
      counts,
      ...compact({ digest: typeof digest === 'string' ? digest : undefined }),
      ...noted(...problems, scope.kind === 'vnet' ? NFTABLES : undefined),
    };
  },
  summary({ scope, effective, why_not = [], counts, note }) {
    const reasons = why_not.length === 0 ? '' : `: ${why_not.join('; ')}`;
    const rules = counts.rules === undefined ? '' : ` It has ${count(counts.rules, 'rule')}.`;
    return `${scope.label}: the firewall ${effective ? `filters${why_not.length > 0 ? ' in part' : ''}` : 'filters nothing'}${reasons}.${rules}${note ? ` ${note}` : ''}`;
  },
});

/** Rules for forwarded packets are a matter of the newer of Proxmox' two firewalls. */
const NFTABLES = 'Forwarded packets are filtered on nodes with the option nftables alone.';

function policiesOf({ kind }: Scope, options: Json): Record<string, string> {
  const defaults: Readonly<Record<string, string>> = POLICIES[kind];
  return Object.fromEntries(
    Object.entries(defaults).map(([name, policy]) => [name, String(options[name] ?? policy)]),
  );
}

/** Each part that can't be read costs itself alone. */
async function countsOf(scope: Scope): Promise<{ counts: Record<string, number>; problems: string[] }> {
  const { cluster, kind } = scope;
  const hasNames = kind === 'datacenter' || kind === 'guest';
  const parts = [
    ['rules', scope.rules()],
    ...(hasNames
      ? ([
          ['aliases', scope.at('aliases')],
          ['ipsets', scope.at('ipset')],
        ] as const)
      : []),
    ...(kind === 'datacenter' ? ([['groups', apiPath`/cluster/firewall/groups`]] as const) : []),
  ] as const;
  const problems: string[] = [];
  const counts: Record<string, number> = {};
  await Promise.all(
    parts.map(async ([name, path]) => {
      try {
        const rows = rowsOf(await read(cluster, path));
        counts[name] = rows.length;
        if (name === 'rules') counts.enabled_rules = rows.filter(({ enable }) => number(enable) !== 0).length;
      } catch (error) {
        const { code, message } = toCallError(error);
        problems.push(`Its ${name} could not be read: ${code}: ${message}`);
      }
    }),
  );
  return { counts, problems };
}

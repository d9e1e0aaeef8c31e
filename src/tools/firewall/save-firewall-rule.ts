import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';
import { defineTool } from '../define.ts';
import { textParam } from '../params.ts';
import { compact, noted } from '../results.ts';
import { EFFECT_CALLS, effectOf, readOptions, withoutEffect } from './effect.ts';
import { RULE_LOCKOUT_CALLS, requireWayKept } from './lockout.ts';
import { RULE_CHECK_CALLS, requireSensibleRule } from './rule-checks.ts';
import {
  expectedRuleParams,
  inWords,
  type RuleRow,
  readRules,
  requireRule,
  ruleData,
  ruleParameter,
  ruleRow,
} from './rules.ts';
import { changedScope, commentParam, ruleCalls, ruleScopeParams, type Scope, scopeFields } from './scope.ts';

const LOG_LEVELS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug', 'nolog'] as const;
const REMOVABLE = [
  'macro',
  'proto',
  'source',
  'sport',
  'dest',
  'dport',
  'icmp_type',
  'iface',
  'log',
  'comment',
] as const;
const PARAMETERS = [
  ...['type', 'action', 'enable', 'macro', 'proto', 'source', 'sport', 'dest', 'dport', 'icmp-type'],
  ...['iface', 'log', 'comment', 'digest'],
];

const input = z.strictObject({
  ...ruleScopeParams,
  ...expectedRuleParams,
  pos: expectedRuleParams.pos.optional().describe('Change this rule; else one is made.'),
  insert_at: z.int().min(0).default(0),
  type: z.enum(['in', 'out', 'forward', 'group']).optional(),
  action: textParam(20).optional().describe('ACCEPT, DROP, REJECT, or of type group the group.'),
  enable: z.boolean().optional().describe('New ones are.'),
  macro: textParam(40).optional(),
  proto: textParam(40).optional(),
  source: textParam(512).optional().describe('Addresses, networks, alias or +ipset.'),
  sport: textParam(256).optional(),
  dest: textParam(512).optional(),
  dport: textParam(256).optional(),
  icmp_type: textParam(40).optional(),
  iface: textParam(20).optional(),
  log: z.enum(LOG_LEVELS).optional(),
  comment: commentParam.optional(),
  remove: z.array(z.enum(REMOVABLE)).default([]),
});

type Args = z.output<typeof input>;

export const saveFirewallRule = defineTool({
  name: 'save_firewall_rule',
  title: 'Create or change a firewall rule',
  description: 'Makes a firewall rule, or changes the one at `pos`: what is not given stays.',
  toolset: 'firewall',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ...ruleCalls('POST', '', ...PARAMETERS),
    ...ruleCalls('PUT', '/{pos}', ...PARAMETERS, 'delete', 'moveto'),
    ...ruleCalls('GET', ''),
    ...RULE_CHECK_CALLS,
    ...RULE_LOCKOUT_CALLS,
    ...EFFECT_CALLS,
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...scopeFields,
    created: z.boolean(),
    rule: ruleRow,
    total: z.int(),
    digest: z.string().optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const scope = await changedScope(context, args);
    const pos = args.pos === undefined ? await create(scope, args) : await change(scope, args, args.pos);
    const [{ rows, digest }, own] = await Promise.all([
      readRules(scope),
      scope.kind === 'group' ? undefined : readOptions(scope).catch(() => undefined),
    ]);
    const rule = rows[pos];
    if (rule === undefined) throw lost(scope);
    return {
      ...scope.fields(),
      created: args.pos === undefined,
      rule,
      total: rows.length,
      ...compact({ digest }),
      ...noted(withoutEffect(await effectOf(scope, own))),
    };
  },
  summary({ scope, created, rule, note }) {
    return `${scope.label}: the firewall rule at ${rule.pos} was ${created ? 'made' : 'changed'}: ${inWords(rule)}.${note ? ` ${note}` : ''}`;
  },
});

/** @returns where it is now */
async function create(scope: Scope, args: Args): Promise<number> {
  const { type, action, insert_at: place } = args;
  if (type === undefined || action === undefined) {
    throw new CallError('INVALID_ARGUMENTS', 'A new rule needs `type` and `action`.', {
      cluster: scope.cluster.name,
      hint: 'Such as type: in, action: ACCEPT. To change a rule, pass its `pos`. Nothing was sent.',
    });
  }
  const rule = merged({ type, action: actionOf(type, action), enable: args.enable ?? true }, args);
  await requireSensibleRule(scope, rule);
  const { rows } = await readRules(scope);
  const target = Math.min(place, rows.length);
  await requireWayKept(scope, rows, rows.toSpliced(target, 0, { ...rule, pos: target }));
  const made: GateRequest = { method: 'POST', path: scope.rules(), data: ruleData(rule), ...scope.expecting };
  // Proxmox puts a new rule first, whatever `pos` says. Moved "to" a place it goes before the rule that is there.
  const move: GateRequest = {
    method: 'PUT',
    path: scope.rules(0),
    data: { moveto: target + 1 },
    ...scope.expecting,
  };
  if (target > 0) await scope.cluster.approve([made, move]);
  await scope.cluster.request(made);
  if (target === 0) return 0;
  const [first] = (await readRules(scope)).rows;
  if (first === undefined || inWords(first) !== inWords(rule)) throw lost(scope);
  await scope.cluster.request(move);
  return target;
}

async function change(scope: Scope, args: Args, pos: number): Promise<number> {
  const rules = await readRules(scope);
  const { rule, digest } = requireRule(rules, { ...args, pos }, scope);
  const wanted = merged(rule, args);
  await requireSensibleRule(scope, wanted);
  await requireWayKept(scope, rules.rows, rules.rows.with(pos, { ...wanted, pos }));
  const given = Object.fromEntries(
    Object.entries(wanted).filter(([name, value]) => value !== rule[name as keyof RuleRow]),
  );
  const removed = removalsOf(args).filter((name) => rule[name] !== undefined);
  if (Object.keys(given).length + removed.length === 0) return pos;
  const data = {
    ...ruleData(given),
    ...compact({ delete: removed.map(ruleParameter).join(','), digest }),
  };
  await scope.cluster.request({ method: 'PUT', path: scope.rules(pos), data, ...scope.expecting });
  return pos;
}

/** The rule as it will be. */
function merged(present: Omit<RuleRow, 'pos'>, args: Args): Omit<RuleRow, 'pos'> {
  const removed: readonly string[] = removalsOf(args);
  const kept = Object.entries(present).filter(([name]) => !removed.includes(name));
  const given = REMOVABLE.map((name) => [name, args[name]?.trim() || undefined] as const);
  const { type = present.type, action = present.action, enable = present.enable } = args;
  return {
    ...Object.fromEntries([...kept, ...given.filter(([, value]) => value !== undefined)]),
    type,
    action: actionOf(type, action),
    enable,
  };
}

/** What is given anew is not removed; an empty comment is none. */
function removalsOf(args: Args) {
  return [
    ...args.remove.filter((name) => !args[name]),
    ...(args.comment === '' ? (['comment'] as const) : []),
  ];
}

/** People write it in either case; groups are named as they are. */
function actionOf(type: string, action: string): string {
  return type === 'group' ? action : action.toUpperCase();
}

function lost({ cluster, label }: Scope): CallError {
  return new CallError(
    'CONFLICT',
    `${label}: the rule was written, and somebody else changed the rules at the same moment.`,
    {
      cluster: cluster.name,
      hint: 'list_firewall_rules shows where it is now; move_firewall_rule brings it to its place.',
      retryable: false,
    },
  );
}

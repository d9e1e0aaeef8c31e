import { z } from 'zod';
import { defineTool } from '../define.ts';
import { compact } from '../results.ts';
import { RULE_LOCKOUT_CALLS, requireWayKept } from './lockout.ts';
import { expectedRuleParams, inWords, readRules, requireRule, ruleRow } from './rules.ts';
import { changedScope, ruleCalls, ruleScopeParams, scopeFields } from './scope.ts';

export const moveFirewallRule = defineTool({
  name: 'move_firewall_rule',
  title: 'Move a firewall rule',
  description: 'Moves a firewall rule to the position `to`: the first rule that fits decides.',
  toolset: 'firewall',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ...ruleCalls('PUT', '/{pos}', 'moveto', 'digest'),
    ...ruleCalls('GET', ''),
    ...RULE_LOCKOUT_CALLS,
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({ ...ruleScopeParams, ...expectedRuleParams, to: z.int().min(0) }),
  output: z.object({ ...scopeFields, rule: ruleRow, from: z.int(), digest: z.string().optional() }),
  async run(args, context) {
    const scope = await changedScope(context, args);
    const before = await readRules(scope);
    const { rule, digest } = requireRule(before, args, scope);
    const to = Math.min(args.to, before.rows.length - 1);
    const from = rule.pos;
    if (to === from) return { ...scope.fields(), rule, from, ...compact({ digest }) };
    await requireWayKept(scope, before.rows, before.rows.toSpliced(from, 1).toSpliced(to, 0, rule));
    // To Proxmox it is the place before the rule that has that position now.
    const moveto = to > from ? to + 1 : to;
    const data = { moveto, ...compact({ digest }) };
    await scope.cluster.request({ method: 'PUT', path: scope.rules(from), data, ...scope.expecting });
    const after = await readRules(scope);
    return { ...scope.fields(), rule: { ...rule, pos: to }, from, ...compact({ digest: after.digest }) };
  },
  summary({ scope, rule, from }) {
    const { pos } = rule;
    const what = pos === from ? `is at ${pos} already; nothing was sent` : `was moved from ${from} to ${pos}`;
    return `${scope.label}: the rule ${what}: ${inWords(rule)}.`;
  },
});

import { z } from 'zod';
import { defineTool } from '../define.ts';
import { compact } from '../results.ts';
import { expectedRuleParams, inWords, readRules, requireRule, ruleRow } from './rules.ts';
import { changedScope, ruleCalls, ruleScopeParams, scopeFields } from './scope.ts';

export const deleteFirewallRule = defineTool({
  name: 'delete_firewall_rule',
  title: 'Delete a firewall rule',
  description: 'Deletes the firewall rule at `pos`, if it is the one that is expected.',
  toolset: 'firewall',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [...ruleCalls('DELETE', '/{pos}', 'digest'), ...ruleCalls('GET', ''), ['GET', '/cluster/resources']],
  withoutCluster: 'lookup',
  input: z.strictObject({ ...ruleScopeParams, ...expectedRuleParams }),
  output: z.object({ ...scopeFields, deleted: ruleRow, left: z.int() }),
  async run(args, context) {
    const scope = await changedScope(context, args);
    const rules = await readRules(scope);
    const { rule, digest } = requireRule(rules, args, scope);
    const path = scope.rules(rule.pos);
    // What shifts the list between here and there changes the digest.
    await scope.cluster.request({ method: 'DELETE', path, data: compact({ digest }), ...scope.expecting });
    return { ...scope.fields(), deleted: rule, left: rules.rows.length - 1 };
  },
  summary({ scope, deleted, left }) {
    return `${scope.label}: the firewall rule ${deleted.pos} was deleted (${inWords(deleted)}); ${left} left.`;
  },
});

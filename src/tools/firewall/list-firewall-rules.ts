import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { defineTool, READS } from '../define.ts';
import { limitParam } from '../params.ts';
import { compact, count, noted, rowsOf } from '../results.ts';
import { EFFECT_CALLS, type Effect, effectOf, readOptions } from './effect.ts';
import { type RuleRow, readRules, rowOf, ruleRow } from './rules.ts';
import { read, ruleCalls, ruleScopeParams, type Scope, scopeFields, scopeOf } from './scope.ts';

/** More groups than these in one list are named, and their rules not shown. */
const MOST_GROUPS = 20;

export const listFirewallRules = defineTool({
  name: 'list_firewall_rules',
  title: 'List firewall rules',
  description:
    'Lists rules in their order, the first that fits decides; with the rules of security groups that they use. Of the datacenter, a guest, node, vnet or group.',
  toolset: 'firewall',
  annotations: READS,
  calls: [...ruleCalls('GET', ''), ...EFFECT_CALLS, ['GET', '/cluster/resources']],
  withoutCluster: 'lookup',
  input: z.strictObject({ ...ruleScopeParams, limit: limitParam(100, 1000) }),
  output: z.object({
    ...scopeFields,
    rules: z.array(ruleRow),
    total: z.int(),
    groups: z.record(z.string(), z.array(ruleRow)).optional(),
    digest: z.string().optional(),
    effective: z.boolean().optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const scope = await scopeOf(context, args);
    const [{ rows, digest }, effect] = await Promise.all([readRules(scope), ifKnown(scope)]);
    const rules = rows.slice(0, args.limit);
    const { groups, problems } = await groupsOf(scope, rules);
    const off =
      effect?.effective === false ? `These rules have no effect: ${effect.why.join('; ')}.` : undefined;
    return {
      ...scope.fields(),
      rules,
      total: rows.length,
      ...compact({ digest, effective: effect?.effective }),
      ...(Object.keys(groups).length === 0 ? {} : { groups }),
      ...noted(off, ...problems),
    };
  },
  summary({ scope, rules, total, note }) {
    const part = rules.length < total ? `, showing the first ${rules.length}; pass a higher limit` : '';
    return `${scope.label} has ${count(total, 'firewall rule')}${part}.${note ? ` ${note}` : ''}`;
  },
});

/** The rules are what was asked for: that their effect can't be read costs that alone. */
async function ifKnown(scope: Scope): Promise<Effect | undefined> {
  try {
    return await effectOf(scope, scope.kind === 'group' ? undefined : await readOptions(scope));
  } catch {
    return undefined;
  }
}

async function groupsOf({ cluster }: Scope, rules: readonly RuleRow[]) {
  const names = [...new Set(rules.filter(({ type }) => type === 'group').map(({ action }) => action))];
  const groups: Record<string, RuleRow[]> = {};
  const problems: string[] = [];
  await Promise.all(
    names.slice(0, MOST_GROUPS).map(async (group) => {
      try {
        groups[group] = rowsOf(await read(cluster, apiPath`/cluster/firewall/groups/${group}`)).map(rowOf);
      } catch (error) {
        problems.push(`The rules of the group ${group} could not be read: ${toCallError(error).message}`);
      }
    }),
  );
  if (names.length > MOST_GROUPS) {
    problems.push(`Not shown: the rules of ${names.length - MOST_GROUPS} further groups; pass \`group\`.`);
  }
  return { groups, problems };
}

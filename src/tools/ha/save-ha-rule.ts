import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, formParam, listOf, selectedFields, selectionOf, textParam } from '../params.ts';
import { textOf } from '../results.ts';
import { GENERATION_CALLS, generationOf, HA_CALLS, RULE_READS, readHa, readRules, sidsOf } from './ha.ts';
import { checkGroup, checkRule } from './rule-checks.ts';
import { requireRule, ruleName, ruleRow, ruleRowOf, whom } from './rule-row.ts';

export const ruleParam = formParam(/^[A-Za-z][\w-]+$/, 'is a letter, then letters, digits, - and _', 128);

const input = z.strictObject({
  cluster: clusterParam,
  rule: ruleParam,
  type: z.enum(['node-affinity', 'resource-affinity']).optional().describe('Fixed once made.'),
  guests: listOf(textParam(), 200).optional().describe('All of them, by name or VMID.'),
  nodes: listOf(formParam(/^[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,4})?$/, 'is node or node:priority', 80), 200)
    .optional()
    .describe('node or node:priority; higher is preferred.'),
  strict: z.boolean().optional().describe('Run on no other node.'),
  affinity: z.enum(['positive', 'negative']).optional().describe('Together, or apart.'),
  failback: z.boolean().optional().describe('8.x.'),
  enabled: z.boolean().optional(),
  comment: z.string().max(4096).optional(),
});

export type RuleArgs = z.output<typeof input>;

const PARAMETERS = ['type', 'resources', 'nodes', 'strict', 'affinity', 'disable', 'comment'];

export const saveHaRule = defineTool({
  name: 'save_ha_rule',
  title: 'Create or change an HA rule',
  description: 'Makes or changes an HA rule; on 8.x a group of nodes, which save_ha_resource puts guests in.',
  toolset: 'ha',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/cluster/ha/rules', 'rule', ...PARAMETERS],
    ['PUT', '/cluster/ha/rules/{rule}', ...PARAMETERS, 'delete', 'digest'],
    ['POST', '/cluster/ha/groups', 'group', 'nodes', 'restricted', 'nofailback', 'comment'],
    ['PUT', '/cluster/ha/groups/{group}', 'nodes', 'restricted', 'nofailback', 'comment', 'delete', 'digest'],
    ...RULE_READS,
    ...HA_CALLS,
    ...GENERATION_CALLS,
  ],
  input,
  output: z.object({ ...selectedFields, created: z.boolean(), rule: ruleRow }),
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    const kind = await generationOf(cluster);
    const [rows, ha, inventory] = await Promise.all([
      readRules(cluster, kind),
      readHa(cluster),
      cluster.inventory(),
    ]);
    const known = rows.find((row) => ruleName(row, kind) === args.rule);
    if (kind === 'groups') {
      checkGroup(cluster, args, inventory, known);
      await cluster.request(groupRequest(args, known));
    } else {
      const sids = args.guests && sidsOf(cluster, args.guests, inventory, ha);
      const type = checkRule(cluster, args, inventory, { known, sids });
      await cluster.request(ruleRequest(args, known, { type, resources: sids?.join(',') }));
    }
    const row = requireRule(cluster, await readRules(cluster, kind), args.rule, kind);
    const names = new Map(
      inventory.guests.flatMap(({ vmid, name }) => (name === undefined ? [] : [[vmid, name] as const])),
    );
    const rule = ruleRowOf(row, kind, { names, resources: [...ha.resources.values()] });
    return { ...selectionOf(cluster), created: known === undefined, rule };
  },
  summary({ cluster, created, rule }) {
    const what = rule.type === 'group' ? 'group' : 'rule';
    const off = rule.enabled ? '' : ' It is disabled.';
    return `The HA ${what} ${quoted(rule.rule)} of ${cluster} was ${created ? 'made' : 'changed'}, for ${whom(rule)}.${off}`;
  },
});

/** An empty comment takes it away. */
function common({ nodes, comment }: RuleArgs, known: Json | undefined) {
  const gone = comment === '' && known?.comment !== undefined ? 'comment' : undefined;
  return {
    nodes: nodes?.join(','),
    comment: comment || undefined,
    ...(known === undefined ? {} : { delete: gone, digest: textOf(known.digest) }),
  };
}

function ruleRequest(
  args: RuleArgs,
  known: Json | undefined,
  { type, resources }: { type: string; resources: string | undefined },
): GateRequest {
  const { rule, strict, affinity, enabled } = args;
  const disable = enabled === undefined ? undefined : !enabled;
  const data = { type, resources, strict, affinity, disable, ...common(args, known) };
  return known === undefined
    ? { method: 'POST', path: apiPath`/cluster/ha/rules`, data: { rule, ...data } }
    : { method: 'PUT', path: apiPath`/cluster/ha/rules/${rule}`, data };
}

function groupRequest(args: RuleArgs, known: Json | undefined): GateRequest {
  const { rule: group, strict: restricted, failback } = args;
  const nofailback = failback === undefined ? undefined : !failback;
  const data = { restricted, nofailback, ...common(args, known) };
  return known === undefined
    ? { method: 'POST', path: apiPath`/cluster/ha/groups`, data: { group, ...data } }
    : { method: 'PUT', path: apiPath`/cluster/ha/groups/${group}`, data };
}

import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, limitParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import { GENERATION_CALLS, generationOf, HA_CALLS, RULE_READS, readHa, readRules } from './ha.ts';
import { ruleRow, ruleRowOf, whom } from './rule-row.ts';

export const listHaRules = defineTool({
  name: 'list_ha_rules',
  title: 'List HA rules',
  description:
    'Which nodes HA guests belong on, and which guests together or apart: rules, or groups on 8.x.',
  toolset: 'ha',
  annotations: READS,
  calls: [...RULE_READS, ...GENERATION_CALLS, ...HA_CALLS],
  input: z.strictObject({ cluster: clusterParam, limit: limitParam(100, 500) }),
  output: z.object({
    ...selectedFields,
    kind: z.enum(['rules', 'groups']),
    rules: z.array(ruleRow),
    total: z.int(),
  }),
  async run({ cluster: named, limit }, context) {
    const cluster = context.cluster(named);
    const kind = await generationOf(cluster);
    const [rows, ha, { guests }] = await Promise.all([
      readRules(cluster, kind),
      readHa(cluster),
      cluster.inventory(),
    ]);
    const names = new Map(
      guests.flatMap(({ vmid, name }) => (name === undefined ? [] : [[vmid, name] as const])),
    );
    const around = { names, resources: [...ha.resources.values()] };
    const rules = rows.slice(0, limit).map((row) => ruleRowOf(row, kind, around));
    return { ...selectionOf(cluster), kind, rules, total: rows.length };
  },
  summary({ cluster, kind, rules, total }) {
    const each = rules.map((rule) => `${quoted(rule.rule)} (${rule.type}: ${whom(rule)})`);
    return `${cluster}: ${count(total, `HA ${kind.slice(0, -1)}`)}${each.length === 0 ? '' : `: ${someOf(each)}`}.`;
  },
});

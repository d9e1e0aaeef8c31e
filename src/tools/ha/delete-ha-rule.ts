import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { notNow } from '../refusals.ts';
import { GENERATION_CALLS, generationOf, HA_CALLS, RULE_READS, readHa, readRules } from './ha.ts';
import { requireRule, ruleRow, ruleRowOf, whom } from './rule-row.ts';
import { ruleParam } from './save-ha-rule.ts';

export const deleteHaRule = defineTool({
  name: 'delete_ha_rule',
  title: 'Delete an HA rule',
  description: 'Deletes an HA rule, or a group on 8.x.',
  toolset: 'ha',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['DELETE', '/cluster/ha/rules/{rule}'],
    ['DELETE', '/cluster/ha/groups/{group}'],
    ...RULE_READS,
    ...HA_CALLS,
    ...GENERATION_CALLS,
  ],
  input: z.strictObject({ cluster: clusterParam, rule: ruleParam }),
  output: z.object({ ...selectedFields, rule: ruleRow }),
  async run({ cluster: named, rule }, context) {
    const cluster = context.cluster(named).alone();
    const kind = await generationOf(cluster);
    const [rows, ha] = await Promise.all([readRules(cluster, kind), readHa(cluster)]);
    const found = requireRule(cluster, rows, rule, kind);
    const row = ruleRowOf(found, kind, { names: new Map(), resources: [...ha.resources.values()] });
    if (kind === 'groups' && row.guests.length > 0) {
      throw notNow(
        cluster,
        `The HA group ${quoted(rule)} holds ${whom(row)}.`,
        'Take them out with save_ha_resource and group: "".',
      );
    }
    const path = kind === 'rules' ? apiPath`/cluster/ha/rules/${rule}` : apiPath`/cluster/ha/groups/${rule}`;
    await cluster.request({ method: 'DELETE', path });
    return { ...selectionOf(cluster), rule: row };
  },
  summary: ({ cluster, rule }) =>
    `The HA ${rule.type === 'group' ? 'group' : 'rule'} ${quoted(rule.rule)} of ${cluster} was deleted.`,
});

import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { compact } from '../results.ts';
import {
  GENERATION_CALLS,
  generationOf,
  HA_CALLS,
  itemsOf,
  RULE_READS,
  readHa,
  readRules,
  requireResource,
  sidOf,
} from './ha.ts';

export const deleteHaResource = defineTool({
  name: 'delete_ha_resource',
  title: 'Take a guest out of HA',
  description: 'Takes a guest out of HA and its rules; the guest stays as it is.',
  toolset: 'ha',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [['DELETE', '/cluster/ha/resources/{sid}'], ...HA_CALLS, ...RULE_READS, ...GENERATION_CALLS],
  withoutCluster: 'lookup',
  input: z.strictObject(guestParams),
  output: z.object({ ...guestFields, rules: z.array(z.string()).optional() }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const { cluster, guest } = target;
    const [ha, generation] = await Promise.all([readHa(cluster), generationOf(cluster)]);
    requireResource(cluster, ha, guest);
    const sid = sidOf(guest);
    const rows = generation === 'rules' ? await readRules(cluster, generation) : [];
    const rules = rows.filter((row) => itemsOf(row.resources).includes(sid)).map(({ rule }) => String(rule));
    const path = apiPath`/cluster/ha/resources/${sid}`;
    await cluster.request({ method: 'DELETE', path, expectName: args.name });
    return { ...target.fields(), ...compact({ rules: rules.length === 0 ? undefined : rules }) };
  },
  summary(answer) {
    const { rules = [] } = answer;
    const from = rules.length === 0 ? '' : ` The rules ${someOf(rules.map(quoted))} no longer have it.`;
    return `${guestLabel(answer)} was taken out of HA: nothing restarts it after a failure.${from}`;
  },
});

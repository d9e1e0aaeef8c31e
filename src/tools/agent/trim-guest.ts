import { z } from 'zod';
import { isObject } from '../../catalogue/json.ts';
import { defineTool } from '../define.ts';
import { guestFields, guestLabel, guestParams } from '../guest-target.ts';
import { compact, count, numberOf, rowsOf, textOf } from '../results.ts';
import { inWords } from '../size.ts';
import { AGENT_CALLS, agentTarget, askAgent } from './agent.ts';

export const trimGuest = defineTool({
  name: 'trim_guest',
  title: 'Trim a guest',
  description: "Gives free space of a VM's file systems back to its storage (fstrim; disks need discard=on).",
  toolset: 'agent',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [['POST', '/nodes/{node}/qemu/{vmid}/agent/fstrim'], ...AGENT_CALLS],
  withoutCluster: 'lookup',
  input: z.strictObject(guestParams),
  output: z.object({
    ...guestFields,
    trimmed_bytes: z.number(),
    paths: z.array(
      z.object({ path: z.string(), trimmed_bytes: z.number().optional(), problem: z.string().optional() }),
    ),
  }),
  async run(args, context) {
    const target = await agentTarget(context, args);
    const path = target.at('agent', 'fstrim');
    const result = await askAgent(target, { method: 'POST', path, expectName: args.name });
    const paths = rowsOf(isObject(result) ? result.paths : []).map((row) => ({
      path: textOf(row.path) ?? '',
      ...compact({ trimmed_bytes: numberOf(row.trimmed), problem: textOf(row.error) }),
    }));
    const trimmed = paths.reduce((sum, { trimmed_bytes = 0 }) => sum + trimmed_bytes, 0);
    return { ...target.fields(), trimmed_bytes: trimmed, paths };
  },
  summary(answer) {
    const { trimmed_bytes: trimmed, paths } = answer;
    const failed = paths.filter(({ problem }) => problem !== undefined).length;
    const but = failed === 0 ? '' : `, ${failed} failed`;
    return `${guestLabel(answer)}: ${inWords(trimmed)} trimmed of ${count(paths.length, 'file system')}${but}.`;
  },
});

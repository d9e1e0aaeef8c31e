import { z } from 'zod';
import { defineTool } from '../define.ts';
import { guestFields, guestLabel, guestParams } from '../guest-target.ts';
import { numberOf } from '../results.ts';
import { AGENT_CALLS, agentTarget, askAgent } from './agent.ts';

const AGENT = '/nodes/{node}/qemu/{vmid}/agent';

export const freezeGuest = defineTool({
  name: 'freeze_guest',
  title: 'Freeze a guest',
  description:
    'Freezes or thaws the file systems of a VM. Frozen, whatever writes in it hangs until it is thawed. Snapshots and backups do it by themselves.',
  toolset: 'agent',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', `${AGENT}/fsfreeze-status`],
    ['POST', `${AGENT}/fsfreeze-freeze`],
    ['POST', `${AGENT}/fsfreeze-thaw`],
    ...AGENT_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({ ...guestParams, action: z.enum(['status', 'freeze', 'thaw']) }),
  output: z.object({
    ...guestFields,
    frozen: z.boolean(),
    file_systems: z.int().optional(),
    note: z.string().optional(),
  }),
  async run({ action, ...wanted }, context) {
    const target = await agentTarget(context, wanted);
    const path = target.at('agent', `fsfreeze-${action}`);
    const result = await askAgent(target, { method: 'POST', path, expectName: wanted.name });
    const frozen = action === 'status' ? result === 'frozen' : action === 'freeze';
    const many = action === 'status' ? undefined : numberOf(result);
    return {
      ...target.fields(),
      frozen,
      ...(many === undefined ? {} : { file_systems: many }),
      ...(frozen
        ? { note: 'Nothing thaws it by itself: call freeze_guest with action thaw as soon as possible.' }
        : {}),
    };
  },
  summary(answer) {
    const { frozen, file_systems: many, note = '' } = answer;
    const which = many === undefined ? '' : ` (${many} file systems)`;
    return `${guestLabel(answer)} is ${frozen ? 'FROZEN' : 'not frozen'}${which}.${note && ` ${note}`}`;
  },
});

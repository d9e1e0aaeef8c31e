import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import { guestFields, guestLabel, guestParams, guestTarget, vmidParam } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { notNow, unfitting } from '../refusals.ts';
import { compact } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { NEXT_ID, vmidFor } from './new-guest.ts';
import { newNameParam } from './settings.ts';
import { refuseWords } from './words.ts';

const SHARED = ['newid', 'full', 'snapname', 'target', 'storage', 'pool'];

export const cloneGuest = defineTool({
  name: 'clone_guest',
  title: 'Clone a guest',
  description:
    'Clones a guest or its snapshot: a template linked unless full, storage or format is given, others in full.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu/{vmid}/clone', ...SHARED, 'name', 'format'],
    ['POST', '/nodes/{node}/lxc/{vmid}/clone', ...SHARED, 'hostname'],
    NEXT_ID,
    ...LIVE_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    new_name: newNameParam,
    new_vmid: vmidParam.optional(),
    full: z.boolean().optional(),
    snapshot: textParam(40).optional(),
    node: nodeParam,
    storage: storageParam,
    format: z.enum(['raw', 'qcow2', 'vmdk']).optional(),
    pool: textParam(200).optional(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    clone: z.object({ vmid: z.int(), name: z.string(), node: z.string(), linked: z.boolean() }),
    task: taskField,
  }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const { new_name: name, snapshot, node, storage, format, pool } = args;
    const target = await guestTarget(context, args);
    const { cluster, guest, at } = target;
    if (guest.type === 'lxc') refuseWords(args, ['format'], 'containers have none');
    const [{ isTemplate, state }, newid] = await Promise.all([
      liveState(target),
      vmidFor(cluster, { vmid: args.new_vmid, name }),
    ]);
    const full = args.full ?? (!isTemplate || storage !== undefined || format !== undefined);
    if (!full) checkLinked(args, isTemplate);
    if (guest.type === 'lxc' && state !== 'stopped' && snapshot === undefined) {
      throw notNow(
        cluster,
        `Container ${guest.vmid} is running, and is cloned from a snapshot then.`,
        'Take one with create_snapshot and pass it as `snapshot`, or shut the container down.',
      );
    }
    const data = compact({
      newid,
      full,
      snapname: snapshot,
      target: node === guest.node ? undefined : node,
      storage,
      format,
      pool,
      [guest.type === 'qemu' ? 'name' : 'hostname']: name,
    });
    const request = { method: 'POST', path: at('clone'), data, expectName: args.name } as const;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    const clone = { vmid: newid, name, node: node ?? guest.node, linked: !full };
    return { ...target.fields(), clone, ...outcome };
  },
  summary(answer) {
    const { clone, task } = answer;
    const how = clone.linked ? 'cloned, linked,' : 'cloned';
    return taskSentence(
      guestLabel(answer),
      `${how} to ${clone.vmid} (${clone.name}) on ${quoted(clone.node)}`,
      task,
    );
  },
});

function checkLinked(
  args: { storage?: string | undefined; format?: string | undefined },
  isTemplate: boolean,
): void {
  refuseWords(args, ['storage', 'format'], 'a linked clone stays where its template is');
  if (!isTemplate)
    throw unfitting('a linked clone is made of a template; leave full out, or use convert_to_template');
}

import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import { defineTool } from '../define.ts';
import { CONFIG_CALLS, diskOf, isCdrom, readConfig } from '../guest-config.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { readProperties } from '../property-string.ts';
import { unfitting } from '../refusals.ts';
import { compact } from '../results.ts';
import { inWords, sizeOf } from '../size.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';

const NO_CHANGE = 'It has that size already; nothing was sent.';

export const resizeDisk = defineTool({
  name: 'resize_disk',
  title: 'Grow a disk',
  description: 'Grows a disk; none shrinks. In a VM the file system still has to follow.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['PUT', '/nodes/{node}/qemu/{vmid}/resize', 'disk', 'size', 'digest'],
    ['PUT', '/nodes/{node}/lxc/{vmid}/resize', 'disk', 'size', 'digest'],
    ...CONFIG_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    disk: textParam(20),
    size: textParam(21)
      .refine((text) => sizeOf(text.replace(/^\+/, '')) !== undefined, 'is no size such as 64G or +10G')
      .describe('64G or +10G'),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    disk: z.string(),
    size: z.string(),
    note: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const { cluster, at } = target;
    const { disk } = args;
    const config = await readConfig(target);
    const value = diskOf(config, disk, cluster.name);
    if (isCdrom(value)) throw unfitting(`${disk} is a CD drive`);
    const { now, wanted, text } = sizesOf(value, args.size);
    const size = inWords(wanted ?? 0);
    if (now !== undefined && wanted !== undefined) {
      if (wanted < now) throw tooSmall(`${disk} has ${inWords(now)} and can't shrink to ${size}.`, text);
      if (wanted === now) return { ...target.fields(), disk, size, note: NO_CHANGE };
    }
    const data = { disk, size: text, ...compact({ digest: config.digest }) };
    const request = { method: 'PUT', path: at('resize'), data, expectName: args.name } as const;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return { ...target.fields(), disk, size: wanted === undefined ? args.size : size, ...outcome };
  },
  summary(answer) {
    const { disk, size, note, task } = answer;
    if (note !== undefined) return `${disk} of ${guestLabel(answer)}, ${size}: ${note}`;
    return taskSentence(`${disk} of ${guestLabel(answer)}`, `grown to ${size}`, task);
  },
});

function tooSmall(message: string, size: string): CallError {
  return new CallError('INVALID_ARGUMENTS', message, {
    hint: `A whole size has to be larger; +${size} adds so much. Nothing was sent.`,
  });
}

/** What the disk has, what it will have, both in bytes where known, and how Proxmox is told. */
function sizesOf(value: string, asked: string): { now?: number; wanted?: number; text: string } {
  const isMore = asked.startsWith('+');
  const bytes = sizeOf(isMore ? asked.slice(1) : asked) ?? 0;
  const text = `${isMore ? '+' : ''}${wholeSize(bytes)}`;
  const now = sizeOf(readProperties(value).options.get('size') ?? '');
  if (now === undefined) return isMore ? { text } : { wanted: bytes, text };
  return { now, wanted: isMore ? now + bytes : bytes, text };
}

/** `64G`, in the largest unit that needs no decimals: a person may have to read it in a plan. */
function wholeSize(bytes: number): string {
  const units = ['K', 'M', 'G', 'T'];
  let value = Math.ceil(bytes / 1024);
  let unit = 0;
  while (value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value}${units[unit]}`;
}

import { z } from 'zod';
import { quoted } from '../../../proxmox/text.ts';
import { defineTool, type ToolContext } from '../../define.ts';
import { INVENTORY_CALLS } from '../../inventories.ts';
import { selectedFields, selectionOf } from '../../params.ts';
import { compact, count, isoTime, noted } from '../../results.ts';
import { RUN_CALLS } from '../../run-write.ts';
import { TASK_CALLS, taskField } from '../../task.ts';
import { blockers, findingRows } from '../finding.ts';
import { BACKUP_PHASE_CALLS } from './backup-phase.ts';
import { carryOut, type Outcome } from './carry-out.ts';
import { COMMON_STORAGE_CALLS } from './common-storage.ts';
import { COPY_CHECK_CALLS } from './copy-check.ts';
import { type BackupArgs, backupInput, type Journey, journeyOf } from './journey.ts';
import { ageWords, guestWords, standingOf } from './notes.ts';
import { RESTORE_POINT_CALLS } from './restore-points.ts';
import { RESTORE_CALLS } from './restore-request.ts';
import { RESTORE_TARGET_CALLS } from './restore-target.ts';
import { type Survey, survey } from './survey.ts';

/** Behind the waiting, for the reads before it and the checks behind it. */
const SLACK_SECONDS = 120;

const output = z.object({
  ...selectedFields,
  to: z.string(),
  subject: z.string(),
  status: z
    .enum(['ready', 'blocked', 'unfinished', 'copied', 'running', 'forgotten'])
    .describe('copied: the copy is stopped.'),
  findings: findingRows.optional(),
  common_storages: z
    .array(z.object({ source: z.string(), target: z.string(), backend: z.string() }))
    .optional(),
  ways: z.array(z.string()).optional(),
  backup: z.string().optional(),
  copy: z
    .object({
      vmid: z.int(),
      name: z.string().optional(),
      node: z.string(),
      storage: z.string().optional(),
      bridges: z.record(z.string(), z.string()).optional(),
      disk_bytes: z.number().optional(),
      sets: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
  saved: z.record(z.string(), z.string()).optional(),
  verified: z.array(z.string()).optional(),
  done: z.array(z.string()).optional(),
  left: z.array(z.string()).optional(),
  task: taskField,
  note: z.string().optional(),
});

export const backupGuestToCluster = defineTool({
  name: 'backup_guest_to_cluster',
  title: 'Copy or move a guest to another cluster by backup',
  description:
    'Copies or moves a guest to another cluster: backup on a storage that both see, restore there; both never run. check only reads, and tells all that is in the way; start shows the plan, and goes on when repeated; forget drops what was begun and deletes nothing.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ...BACKUP_PHASE_CALLS,
    ...RESTORE_CALLS,
    ...COMMON_STORAGE_CALLS,
    ...RESTORE_POINT_CALLS,
    ...RESTORE_TARGET_CALLS,
    ...COPY_CHECK_CALLS,
    ...INVENTORY_CALLS,
    ['GET', '/cluster/nextid'],
    ...RUN_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: backupInput,
  output,
  deadlineSeconds: ({ wait_seconds }) => wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const journey = await journeyOf(args, context);
    const told = { ...selectionOf(journey.source?.cluster ?? journey.target), ...subjectOf(journey, args) };
    if (args.action === 'forget') return { ...told, ...(await forgotten(journey)) };
    if (args.action === 'check') return { ...told, ...(await checked(journey, args, context)) };
    return { ...told, ...shownOutcome(await carryOut(journey, args, context)) };
  },
  summary({ to, subject, status, findings = [], backup, copy, left = [], note }) {
    const blocking = findings.filter(({ severity }) => severity === 'blocks').length;
    const where = copy === undefined ? to : `${to} as ${copy.vmid} on ${quoted(copy.node)}`;
    const more = note === undefined ? '' : ` ${note}`;
    switch (status) {
      case 'ready':
        return `${subject} can go to ${where}${findings.length === 0 ? '' : `; ${count(findings.length, 'warning')}`}. action=start shows the plan.${more}`;
      case 'blocked':
        return `${subject} can't go to ${to} so: ${count(blocking, 'finding')} against it.${more}`;
      case 'unfinished':
        return `${subject} is on its way to ${where}; left: ${left.join('; ')}.${more}`;
      case 'forgotten':
        return `What was begun for ${subject} was dropped.${more}`;
      default:
        return `${subject} was restored in ${where}${backup === undefined ? '' : ` from ${quoted(backup)}`}${status === 'running' ? ', and runs there' : '; the copy is stopped'}.${more}`;
    }
  },
});

function subjectOf({ source, target }: Journey, { volid = '' }: BackupArgs): { to: string; subject: string } {
  const subject =
    source === undefined ? `The guest in ${quoted(volid)}` : guestWords(source.cluster.name, source.guest);
  return { to: target.name, subject: subject.replace(/^c/, 'C') };
}

async function checked(journey: Journey, args: BackupArgs, context: ToolContext) {
  const found = await survey(journey, args, context);
  const { findings, storages, ways, point, plan, saved } = found;
  const { run } = journey;
  return {
    status: blockers(findings).length > 0 ? ('blocked' as const) : ('ready' as const),
    ...(findings.length === 0 ? {} : { findings }),
    ...(storages.length === 0
      ? {}
      : { common_storages: storages.map(({ source, target, backend }) => ({ source, target, backend })) }),
    ...(ways === undefined ? {} : { ways }),
    ...(point === undefined ? {} : { backup: `${point.volid}, ${ageWords(point, context.now())}` }),
    ...shownCopy(found),
    saved: Object.fromEntries(Object.entries(saved.options).filter(([key]) => key !== 'digest')),
    ...noted(
      run === undefined
        ? undefined
        : `Run ${run.id} of ${isoTime(run.startedAt)} is open, and start goes on with it: ${standingOf(journey, run).join(' ') || 'nothing of it was sent.'}`,
      plan.values.start ? undefined : 'The copy stays stopped.',
    ),
  };
}

function shownCopy({ plan }: Pick<Survey, 'plan'>) {
  const { guest, storage, bridges, bytes, options } = plan;
  return {
    copy: {
      vmid: guest.vmid,
      node: guest.node,
      ...compact({ name: guest.name, storage, disk_bytes: bytes }),
      ...(Object.keys(bridges).length === 0 ? {} : { bridges }),
      ...(Object.keys(options).length === 0 ? {} : { sets: options }),
    },
  };
}

function shownOutcome({ status, run, values, verified, task, done, left }: Outcome) {
  const isLeft = status === 'unfinished';
  return {
    status,
    ...(values === undefined
      ? {}
      : {
          backup: values.volid,
          copy: {
            vmid: values.vmid,
            node: values.node,
            ...compact({ name: values.name, storage: values.storage }),
          },
        }),
    ...compact({ verified, left }),
    done,
    ...(task === undefined ? {} : { task }),
    ...noted(
      isLeft ? `Repeating this call goes on with run ${run?.id ?? ''}; it sends nothing twice.` : undefined,
    ),
  };
}

async function forgotten(journey: Journey) {
  const { run } = journey;
  const standing = standingOf(journey, run);
  await run?.close('cancelled');
  return {
    status: 'forgotten' as const,
    ...noted(
      run === undefined
        ? 'Nothing was begun.'
        : `Nothing was deleted or stopped. ${standing.join(' ')}`.trim(),
    ),
  };
}

import { z } from 'zod';
import { quoted } from '../../../proxmox/text.ts';
import { defineTool, type ToolContext } from '../../define.ts';
import {
  type GuestTarget,
  guestFields,
  guestLabel,
  guestParams,
  guestTarget,
  vmidParam,
} from '../../guest-target.ts';
import { textParam, wholeParam } from '../../params.ts';
import { unfitting } from '../../refusals.ts';
import { count } from '../../results.ts';
import { RUN_CALLS } from '../../run-write.ts';
import { TASK_CALLS } from '../../task.ts';
import { blockers } from '../finding.ts';
import { CANCEL_CALLS, cancel } from './cancel.ts';
import { deleteSource, goneSource } from './delete-source.ts';
import { fieldsOf, start } from './move.ts';
import { type Outcome, outcomeFields } from './outcome.ts';
import { PREFLIGHT_CALLS, preflight } from './preflight.ts';

/** Behind the waiting, for the reads before it and the last answers. */
const SLACK_SECONDS = 120;

const mapParam = z.record(textParam(100), textParam(100)).optional();

const input = z.strictObject({
  ...guestParams,
  action: z.enum(['check', 'start', 'delete_source', 'cancel']).default('check'),
  to: textParam().optional().describe('Target cluster, for check and start.'),
  target_node: textParam(63).optional(),
  target_vmid: vmidParam.optional(),
  storage_map: mapParam.describe('Source storage to target storage; check proposes it.'),
  bridge_map: mapParam,
  bwlimit_kib_s: wholeParam(1, 100_000_000).optional(),
  restart: z.boolean().optional().describe('For a running container.'),
  wait_seconds: z.int().min(0).max(1800).default(300),
});

type Args = z.output<typeof input>;

const MOVE_PARAMETERS = [
  'target-vmid',
  'target-storage',
  'target-bridge',
  'target-endpoint',
  'online',
  'bwlimit',
];

export const migrateGuestBetweenClusters = defineTool({
  name: 'migrate_guest_between_clusters',
  title: 'Move a guest to another cluster',
  description:
    'Moves a VM (live) or container to another cluster. check finds all that is in the way, start moves and verifies it, and goes on when repeated. The source stays, stopped, until delete_source.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu/{vmid}/remote_migrate', ...MOVE_PARAMETERS],
    ['POST', '/nodes/{node}/lxc/{vmid}/remote_migrate', ...MOVE_PARAMETERS, 'restart'],
    ...PREFLIGHT_CALLS,
    ...CANCEL_CALLS,
    ...RUN_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({ ...guestFields, ...outcomeFields }),
  deadlineSeconds: ({ wait_seconds }) => wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const source = await guestTarget(context, args).catch((thrown: unknown) => {
      const gone = args.action === 'delete_source' ? goneSource(context, args) : undefined;
      if (gone === undefined) throw thrown;
      return gone;
    });
    const outcome = await carryOut(args, source, context);
    return { ...source.fields(), ...outcome };
  },
  summary(answer) {
    const { status, target, findings = [], checks = [], next } = answer;
    const label = guestLabel(answer);
    const place = `${target.vmid} on ${quoted(target.node)} of ${target.cluster}`;
    const behind = next === undefined ? '' : ` ${next}`;
    const wrong = checks.filter(({ ok }) => ok !== true).map(({ check }) => check);
    const text: Record<Outcome['status'], string> = {
      ready: `${label} can go to ${place}${findings.length === 0 ? '' : `; ${count(findings.length, 'warning')}`}.`,
      blocked: `${label} can't go to ${place}: ${blockers(findings)
        .map(({ what }) => what)
        .join(' ')}`,
      running: `${label} is under way to ${place}.`,
      moved: `${label} was moved: it is ${place}, and was verified.`,
      unverified: `${label} is ${place}, but not as it was: ${wrong.join('; ')}.`,
      cancelled: `The move of ${label} to ${place} is cancelled.`,
      left_over: `The move of ${label} has left something at ${place}.`,
      deleted: `${label} was deleted; it is ${place} now.`,
    };
    return `${text[status]}${behind}`;
  },
});

async function carryOut(args: Args, source: GuestTarget, context: ToolContext): Promise<Outcome> {
  if (args.action === 'cancel') return cancel(source, args.wait_seconds, context);
  if (args.action === 'delete_source') return deleteSource(source, args.wait_seconds, context);
  if (args.to === undefined)
    throw unfitting(`action ${args.action} needs \`to\`, the cluster that it goes to`);
  const to = context.cluster(args.to).alone();
  if (args.action === 'start') return start({ source, to }, args, context);
  const { findings, journey, lines } = await preflight(source, to, args, context);
  const isBlocked = blockers(findings).length > 0;
  return {
    status: isBlocked ? 'blocked' : 'ready',
    ...fieldsOf(journey),
    findings: [...findings],
    plan: [...lines],
    next: isBlocked
      ? 'Mend what blocks, then check again.'
      : 'action=start shows this plan for approval first.',
  };
}

import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import type { GuestRow } from '../../clusters/inventory.ts';
import { type CallError, toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import type { ToolContext } from '../define.ts';
import { someOf } from '../fleet.ts';
import { type GuestTarget, targetOf } from '../guest-target.ts';
import { selectedFields, wholeParam } from '../params.ts';
import { pooled } from '../pooled.ts';
import { compact, count } from '../results.ts';
import { runTask } from '../task.ts';

const RESULTS = ['ok', 'warnings', 'running', 'unknown', 'already', 'failed', 'not_started'] as const;

const resultRow = z.object({
  vmid: z.int(),
  name: z.string().optional(),
  type: z.enum(['qemu', 'lxc']),
  node: z.string(),
  result: z.enum(RESULTS),
  upid: z.string().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  hint: z.string().optional(),
});

export type BulkRow = z.output<typeof resultRow>;

export const bulkOutput = {
  ...selectedFields,
  guests: z.array(resultRow),
  /** How many guests have which result. */
  counts: z.record(z.string(), z.int()),
};

/** As of one task, for all together. */
export const bulkWaitParam = wholeParam(0, 600).default(120);

/** What is to be sent for one guest; `already` where nothing is. */
export type GuestPlan = { request: GateRequest; note?: string | undefined } | { already: string };

/**
 * Does the same to several guests: first every guest is looked at, then one approval is taken for all, and then some
 * at a time are done. One that fails costs itself alone.
 *
 * @param plan says what a guest needs. @throws CallError where it can't be done to this one
 * @throws CallError of the approval or the policy, before anything is sent; the reason of the call's signal
 */
export async function runBulk(
  cluster: GatedCluster,
  guests: readonly GuestRow[],
  { waitSeconds, plan }: { waitSeconds: number; plan: (target: GuestTarget) => Promise<GuestPlan> },
  context: ToolContext,
) {
  const planned = await pooled(guests, async (guest) => {
    context.signal.throwIfAborted();
    const request = await attempt(context, async () => plan(targetOf(cluster, guest)));
    return { guest, plan: request };
  });
  const requests = planned.flatMap(({ plan: made }) => ('request' in made ? [made.request] : []));
  if (requests.length > 0) await cluster.approve(requests);
  const until = context.now() + waitSeconds * 1000;
  let ended = 0;
  let ticks = 0;
  // The tasks' own progress would run back and forth; what is told of all only grows, and is told all the while.
  const progress: ToolContext['progress'] = ({ message }) => {
    ticks += 1;
    context.progress({ progress: ended + ticks / 1e6, total: guests.length, ...compact({ message }) });
  };
  const steady = { ...context, progress };
  const rows = await pooled(planned, async ({ guest, plan: made }): Promise<BulkRow> => {
    const row = await rowOf(guest, made, async (request) => {
      context.signal.throwIfAborted();
      const left = Math.floor((until - context.now()) / 1000);
      if (waitSeconds > 0 && left <= 0) return undefined;
      return attempt(context, async () => runTask(cluster, request, Math.max(0, left), steady));
    });
    ended += 1;
    progress({ progress: ended, message: `guest ${guest.vmid}: ${row.result}` });
    return row;
  });
  const counts: Record<string, number> = {};
  for (const { result } of rows) counts[result] = (counts[result] ?? 0) + 1;
  return { guests: rows, counts };
}

/** Undefined: the time was over before its turn came. */
type Sent = Awaited<ReturnType<typeof runTask>> | Failed | undefined;

async function rowOf(
  guest: GuestRow,
  plan: GuestPlan | Failed,
  send: (request: GateRequest) => Promise<Sent>,
): Promise<BulkRow> {
  const { vmid, name, type, node } = guest;
  const about = { vmid, ...compact({ name }), type, node };
  if ('failed' in plan) return { ...about, ...failure(plan) };
  if ('already' in plan) return { ...about, result: 'already', message: plan.already };
  const sent = await send(plan.request);
  if (sent === undefined) return { ...about, result: 'not_started' };
  if ('failed' in sent) return { ...about, ...failure(sent) };
  const { task } = sent;
  if (task === undefined) return { ...about, result: 'ok', ...compact({ message: plan.note }) };
  const said = compact({ upid: task.upid, message: task.problem ?? task.exit_status ?? plan.note });
  return { ...about, result: task.status, ...said };
}

interface Failed {
  failed: CallError;
}

/** Of a failed task the hint is the end of its log, which a hundred guests have no room for; its UPID leads there. */
function failure({ failed: { code, message, hint } }: Failed) {
  const [upid] = code === 'TASK_FAILED' ? (/UPID:\S+:/.exec(hint) ?? []) : [];
  const next = code === 'TASK_FAILED' ? {} : { hint };
  return { result: 'failed' as const, code, message, ...next, ...compact({ upid }) };
}

/** @throws the reason of the call's signal */
async function attempt<T>(context: ToolContext, work: () => Promise<T>): Promise<T | Failed> {
  try {
    return await work();
  } catch (error) {
    context.signal.throwIfAborted();
    return { failed: toCallError(error) };
  }
}

/** @param done a past participle: `started` */
export function bulkSentence(
  answer: { cluster: string; guests: readonly BulkRow[]; counts: Readonly<Record<string, number>> },
  done: string,
): string {
  const { cluster, guests, counts } = answer;
  const { ok = 0, warnings = 0 } = counts;
  const numbered = (result: BulkRow['result'], words: string): string[] =>
    counts[result] === undefined ? [] : [`${counts[result]} ${words}`];
  const parts = [
    `${ok + warnings} of ${count(guests.length, 'guest')} ${done}`,
    ...numbered('already', 'already so'),
    ...numbered('running', 'still at it (wait_task)'),
    ...numbered('unknown', 'sent, and their tasks could not be asked (wait_task)'),
    ...numbered('not_started', 'not begun, as the time was over: repeat for these'),
  ];
  const failed = guests.filter(({ result }) => result === 'failed');
  const why = failed.map(
    ({ vmid, name, code }) => `${vmid}${name === undefined ? '' : ` (${quoted(name)})`}: ${code}`,
  );
  return `${cluster}: ${parts.join('; ')}.${why.length === 0 ? '' : ` Failed: ${someOf(why)}.`}`;
}

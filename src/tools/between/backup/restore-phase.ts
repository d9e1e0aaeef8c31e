import type { Run } from '../../../access/runs/runs.ts';
import { isObject } from '../../../catalogue/json.ts';
import { ApiPath } from '../../../proxmox/api-path.ts';
import { CallError } from '../../../proxmox/errors.ts';
import type { SavedConfig } from '../../backups/guest-config.ts';
import type { ToolContext } from '../../define.ts';
import { liveState } from '../../guest-live.ts';
import { type RunWrite, runWrite } from '../../run-write.ts';
import type { TaskShown } from '../../task.ts';
import { requireUnblocked } from '../finding.ts';
import { checkCopy, isSettled, requireCopy } from './copy-check.ts';
import { type BackupArgs, type Journey, STEP, stageOf } from './journey.ts';
import { finishNotes, restoreNotes } from './notes.ts';
import { savedConfigOf } from './restore-points.ts';
import { type RestoreValues, restoreSteps } from './restore-request.ts';
import type { Survey } from './survey.ts';
import { isOpen, type Time } from './time.ts';

export interface Restored {
  run: Run;
  values: RestoreValues;
  /** What of the copy was held against its backup, and fits. */
  verified?: string[];
  isRunning: boolean;
  /** Set where the time was over. */
  task?: TaskShown;
  /** Why the copy was not started. */
  notStarted?: string;
}

/** Takes the approval for the whole restore, and carries it out. @throws CallError */
export async function restore(
  journey: Journey,
  found: Survey,
  args: BackupArgs,
  { time, context }: { time: Time; context: ToolContext },
): Promise<Restored> {
  const { target, runs, key } = journey;
  const { plan, point, saved } = found;
  if (point === undefined) throw new Error('a backup is there before it is restored');
  requireUnblocked(target, found.findings);
  const notes = restoreNotes(journey, { ...found, point }, context.now());
  await target.approve(plan.requests, { atLeast: 'self', notes });
  const run = journey.run ?? (await runs.begin(key, { volid: point.volid }));
  return runs.hold(run, context.signal, async () => {
    // Another call may have gone on with it while this one waited.
    const isAhead = stageOf({ run }, args) === 'finish';
    if (!isAhead) {
      await run.begin(STEP.chosen);
      await run.done(STEP.chosen, { ...plan.values });
    }
    return carryOn({ ...journey, run }, { saved, isApproved: !isAhead, time, context });
  });
}

/** Goes on with a restore that was begun. @throws CallError */
export async function finish(
  journey: Journey & { run: Run },
  { time, context }: { time: Time; context: ToolContext },
): Promise<Restored> {
  const { runs, run, target } = journey;
  // The backup may be pruned by now: the rest of the work does not need it.
  const saved = await savedConfigOf(target, valuesOf(run)).catch(() => undefined);
  return runs.hold(run, context.signal, () => carryOn(journey, { saved, isApproved: false, time, context }));
}

function valuesOf(run: Run): RestoreValues {
  const data = run.step(STEP.chosen)?.data;
  if (data === undefined) throw new Error('a restore was chosen before it was begun');
  // Written by `restore` alone.
  return data as unknown as RestoreValues;
}

interface Going {
  saved: SavedConfig | undefined;
  /** By this very call. */
  isApproved: boolean;
  time: Time;
  context: ToolContext;
}

async function carryOn(journey: Journey & { run: Run }, going: Going): Promise<Restored> {
  const { run, target } = journey;
  const { saved, isApproved, time, context } = going;
  const values = valuesOf(run);
  const writes = writesOf(journey, values);
  const base = { run, values, isRunning: false };
  const askFor = async (names: readonly string[]) => {
    const left = writes.filter(({ name }) => names.includes(name) && run.step(name)?.state !== 'done');
    await target.approve(
      left.map(({ request }) => request),
      { atLeast: 'self', notes: finishNotes(journey, values) },
    );
  };
  const make = async (name: string): Promise<TaskShown | undefined> => {
    const write = writes.find((one) => one.name === name);
    if (write === undefined) return undefined;
    const { task } = await runWrite(run, write, time.left(), context);
    return isOpen(task) ? task : undefined;
  };
  const isSent = run.step(STEP.restore)?.upid !== undefined || run.step(STEP.restore)?.state === 'done';
  // Nobody knows whether it left: it may have to be sent once more.
  if (!isApproved && !isSent) await askFor([STEP.restore, STEP.settle, STEP.start]);
  const restoring = await make(STEP.restore);
  if (restoring !== undefined) return { ...base, task: restoring };
  await requireCopy(target, values);
  if (!isApproved && isSent) await askFor([STEP.settle, STEP.start]);
  await make(STEP.settle);
  const verified = saved === undefined ? undefined : await verify(journey, values, saved);
  const told = { ...base, ...(verified === undefined ? {} : { verified }) };
  if (values.start) {
    const isBegun = run.step(STEP.start) !== undefined;
    const notStarted = await whyNotNow(journey);
    if (notStarted !== undefined && run.step(STEP.start)?.state !== 'done') {
      const both =
        isBegun && (await isUp(target, values)) ? ', and the copy runs as well: stop one of them' : '';
      return { ...told, notStarted: `${notStarted}${both}` };
    }
    const starting = await make(STEP.start);
    if (starting !== undefined) return { ...told, task: starting };
  }
  await run.close('done');
  return { ...told, isRunning: values.start };
}

function writesOf({ target: cluster }: Journey, values: RestoreValues): RunWrite[] {
  const { node, type, vmid } = values;
  const steps = restoreSteps(values);
  const verb = type === 'qemu' ? 'qm' : 'vz';
  const of = (what: string) => ({ node, types: [`${verb}${what}`], id: String(vmid) });
  return [
    { name: STEP.restore, cluster, request: steps.restore, task: of('restore') },
    ...(steps.settle === undefined
      ? []
      : [
          {
            ...{ name: STEP.settle, cluster, request: steps.settle },
            isDone: () => isSettled(cluster, values),
          },
        ]),
    ...(steps.start === undefined
      ? []
      : [
          {
            ...{ name: STEP.start, cluster, request: steps.start, task: of('start') },
            isDone: () => isUp(cluster, values),
          },
        ]),
  ];
}

async function isUp(cluster: Journey['target'], { node, type, vmid }: RestoreValues): Promise<boolean> {
  const path = ApiPath.ofSegments(['nodes', node, type, String(vmid), 'status', 'current']);
  const { data } = await cluster.request({ method: 'GET', path });
  return isObject(data) && data.status === 'running';
}

/** @throws CallError CONFLICT where the copy is not what was backed up */
async function verify({ target }: Journey, values: RestoreValues, saved: SavedConfig): Promise<string[]> {
  const { fits, differs } = await checkCopy(target, values, saved);
  if (differs.length === 0) return fits;
  throw new CallError('CONFLICT', `The copy ${values.vmid} differs from its backup: ${differs.join('; ')}.`, {
    cluster: target.name,
    hint: 'It was not started. Look at it (get_guest) and correct it, then repeat this call; or delete_guest and action=forget.',
    retryable: false,
  });
}

/** Asked right before the start, as anybody may have started the source since. */
async function whyNotNow({ source }: Journey): Promise<string | undefined> {
  if (source === undefined) return 'whether its source runs is not known';
  const { state } = await liveState(source);
  return state === 'stopped'
    ? undefined
    : `its source ${source.guest.vmid} of ${source.cluster.name} is ${state}`;
}

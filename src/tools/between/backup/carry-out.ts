import { ApprovalRequiredError } from '../../../access/approvals/plan.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { CallError, toCallError } from '../../../proxmox/errors.ts';
import type { ToolContext } from '../../define.ts';
import type { TaskShown } from '../../task.ts';
import { backUp } from './backup-phase.ts';
import { type BackupArgs, type Journey, stageOf } from './journey.ts';
import { standingOf } from './notes.ts';
import { finish, type Restored, restore } from './restore-phase.ts';
import type { RestoreValues } from './restore-request.ts';
import { survey } from './survey.ts';
import { timeOf } from './time.ts';

/** What a call came to. */
export interface Outcome {
  run?: Run;
  values?: RestoreValues;
  verified?: string[] | undefined;
  task?: TaskShown;
  status: 'unfinished' | 'copied' | 'running';
  /** What is where, in sentences. */
  done: string[];
  left?: string[];
}

/**
 * Backs up, restores and starts, each once over however many calls.
 *
 * @throws CallError with what is left where; APPROVAL_REQUIRED with the plan of what comes next
 */
export async function carryOut(journey: Journey, args: BackupArgs, context: ToolContext): Promise<Outcome> {
  const time = timeOf(args.wait_seconds, context);
  const before = standingOf(journey, journey.run);
  let now = journey;
  try {
    if (stageOf(now, args) === 'backup') {
      const { run, task } = await backUp(now, await survey(now, args, context), args, { time, context });
      now = { ...now, run };
      if (task !== undefined)
        return unfinished(now, task, ['the rest of the backup', 'the restore', ...startWord(now)]);
    }
    const { run } = now;
    if (run !== undefined && stageOf(now, args) === 'finish') {
      return outcomeOf(now, await finish({ ...now, run }, { time, context }));
    }
    const found = await survey(now, args, context);
    return outcomeOf(now, await restore(now, found, args, { time, context }));
  } catch (thrown) {
    context.signal.throwIfAborted();
    throw explained(thrown, now, before);
  }
}

function outcomeOf(journey: Journey, restored: Restored): Outcome {
  const { run, values, verified, task, notStarted, isRunning } = restored;
  const base = { run, values, verified, done: standingOf(journey, run) };
  if (task !== undefined) {
    return {
      ...unfinished({ ...journey, run }, task, ['the rest of the restore', ...startWord(journey)]),
      ...base,
    };
  }
  if (notStarted !== undefined) {
    return { ...base, status: 'unfinished', left: [`starting the copy: ${notStarted}`] };
  }
  return { ...base, status: isRunning ? 'running' : 'copied' };
}

function unfinished(journey: Journey, task: TaskShown, left: string[]): Outcome {
  const { run } = journey;
  return {
    ...(run === undefined ? {} : { run }),
    status: 'unfinished',
    task,
    done: standingOf(journey, run),
    left,
  };
}

function startWord({ start }: Journey): string[] {
  return start ? ['starting the copy'] : [];
}

/** Says what is left where; a plan says what was done before it. */
function explained(thrown: unknown, journey: Journey, before: readonly string[]): unknown {
  const { runs, key, run } = journey;
  const last = run ?? runs.last(key);
  const standing = last?.state === 'open' ? standingOf(journey, last) : [];
  if (standing.length === 0) return thrown;
  if (thrown instanceof ApprovalRequiredError) {
    if (standing.length === before.length) return thrown;
    const { message, hint, cluster = journey.target.name, plan } = thrown;
    return new ApprovalRequiredError(`Done so far: ${standing.join(' ')} For what comes next: ${message}`, {
      hint,
      cluster,
      plan,
    });
  }
  if (thrown instanceof CallError && thrown.constructor !== CallError) return thrown;
  const error = toCallError(thrown);
  return new CallError(error.code, error.message, {
    cluster: error.cluster ?? journey.target.name,
    hint: `What is there: ${standing.join(' ')} ${error.hint.replace(/ ?Nothing was sent\.$/, '')} Repeating the call goes on with run ${last?.id}; action=forget drops it.`,
    retryable: error.retryable,
    ...(error.status === undefined ? {} : { status: error.status }),
    cause: error.cause,
  });
}

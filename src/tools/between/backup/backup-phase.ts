import type { GateRequest } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { notesTemplate } from '../../backups/vzdump.ts';
import type { ApiCall, ToolContext } from '../../define.ts';
import { LIVE_CALLS, liveState } from '../../guest-live.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { planPower } from '../../guests/power.ts';
import { type RunWrite, runWrite } from '../../run-write.ts';
import type { TaskShown } from '../../task.ts';
import { requireUnblocked } from '../finding.ts';
import { rememberArchive } from './archive-of-run.ts';
import { type BackupArgs, type Journey, STEP } from './journey.ts';
import { backupNotes } from './notes.ts';
import type { Survey } from './survey.ts';
import { isOpen, type Time } from './time.ts';

export const BACKUP_PHASE_CALLS = [
  ...LIVE_CALLS,
  ['POST', '/nodes/{node}/qemu/{vmid}/status/shutdown'],
  ['POST', '/nodes/{node}/lxc/{vmid}/status/shutdown'],
  ['POST', '/nodes/{node}/vzdump', 'vmid', 'storage', 'mode', 'compress', 'notes-template', 'remove'],
] as const satisfies readonly ApiCall[];

const PAUSE_MS = 1000;

/**
 * Shuts the source down where it is a move, backs it up, and finds the backup on the target. What an earlier call did
 * is not done again.
 *
 * @returns the run, and the task that still runs where the time was over
 * @throws CallError
 */
export async function backUp(
  journey: Journey,
  found: Survey,
  args: BackupArgs,
  { time, context }: { time: Time; context: ToolContext },
): Promise<{ run: Run; task?: TaskShown }> {
  const { source, target, runs } = journey;
  const { storage } = found;
  if (source === undefined) throw new Error('a backup is made of a guest');
  requireUnblocked(target.settings.readOnly ? target : source.cluster, found.findings);
  if (storage === undefined) throw new Error('what is not there blocks');
  const writes = await writesOf(journey, { guest: source, storage: storage.source }, args);
  const left = writes.filter(({ name }) => !isKnown(journey.run, name)).map(({ request }) => request);
  await source.cluster.approve(left, {
    notes: backupNotes(journey, found, args),
    ...(args.stop_source ? { atLeast: 'self' } : {}),
  });
  const input = { storage: storage.source, stop_source: args.stop_source, mode: args.mode };
  const run = journey.run ?? (await runs.begin(journey.key, input));
  const task = await runs.hold(run, context.signal, async () => {
    for (const write of writes) {
      const outcome = await runWrite(run, write, time.left(), context);
      if (isOpen(outcome.task)) return outcome.task;
      if (write.name === STEP.shutdown) await requireDown(source, time, context);
    }
    const places = { source: storage.source, target: storage.target };
    if (run.step(STEP.archive)?.state !== 'done') await rememberArchive(run, source, target, places, context);
    return undefined;
  });
  return task === undefined ? { run } : { run, task };
}

/** One whose task is known is waited for, and not sent. */
function isKnown(run: Run | undefined, name: string): boolean {
  const step = run?.step(name);
  return step?.state === 'done' || (step?.state === 'begun' && step.upid !== undefined);
}

async function writesOf(
  { run, target }: Journey,
  { guest: source, storage }: { guest: GuestTarget; storage: string },
  { stop_source: stops, mode }: BackupArgs,
): Promise<RunWrite[]> {
  const { cluster, guest } = source;
  const { node, vmid, type } = guest;
  const of = (types: readonly string[]) => ({ node, types, id: String(vmid) });
  const data = {
    vmid: String(vmid),
    storage,
    mode,
    compress: 'zstd',
    'notes-template': notesTemplate(`{{guestname}} for ${target.name}`),
    // Older ones are for the jobs of the source to prune.
    remove: 0,
  };
  const expectName = guest.name;
  const backup: GateRequest = { method: 'POST', path: apiPath`/nodes/${node}/vzdump`, data, expectName };
  const shutdown = stops && run?.step(STEP.backup)?.state !== 'done' ? await shutdownOf(source) : undefined;
  return [
    ...(shutdown === undefined
      ? []
      : [
          {
            ...{ name: STEP.shutdown, cluster, request: { ...shutdown, expectName } },
            task: of([`${type === 'qemu' ? 'qm' : 'vz'}shutdown`, 'hashutdown', 'hastop']),
          },
        ]),
    { name: STEP.backup, cluster, request: backup, task: of(['vzdump']) },
  ];
}

/** @returns undefined where it is down */
async function shutdownOf(source: GuestTarget): Promise<GateRequest | undefined> {
  const plan = planPower(source, await liveState(source), { action: 'shutdown' });
  return 'request' in plan ? plan.request : undefined;
}

/** HA stops a guest some time after it was told to. @throws CallError CONFLICT */
async function requireDown(source: GuestTarget, time: Time, context: ToolContext): Promise<void> {
  for (;;) {
    const { state } = await liveState(source);
    if (state === 'stopped') return;
    if (time.left() * 1000 <= PAUSE_MS) {
      throw new CallError('CONFLICT', `${source.guest.vmid} was told to shut down, and is ${state}.`, {
        cluster: source.cluster.name,
        hint: 'No backup was made. See why it runs (get_guest); once it is down, repeat this call.',
        retryable: true,
      });
    }
    await context.sleep(PAUSE_MS);
  }
}

import { isTrue } from '../../../catalogue/json.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { readConfig } from '../../guest-config.ts';
import { type GuestTarget, targetOf } from '../../guest-target.ts';
import { compact } from '../../results.ts';
import { runWrite } from '../../run-write.ts';
import { blocks, type Finding, requireUnblocked } from '../finding.ts';
import { partsOf } from './disks.ts';
import { type Journey, journeyOf, runKey } from './journey.ts';
import { fieldsOf, MOVE } from './move.ts';
import type { Outcome } from './outcome.ts';
import { type Check, isAsItWas, passed, stateOf, verify } from './verification.ts';

const DELETE = 'delete source';
const GONE = 'gone';

/**
 * The guest that a call before this one has told to go, and that is not there any more.
 *
 * @returns undefined where this caller has told no such guest to go
 */
export function goneSource(
  context: ToolContext,
  { cluster: named, vmid }: { cluster?: string | undefined; vmid?: number | undefined },
): GuestTarget | undefined {
  const cluster = vmid === undefined ? undefined : context.claimant({ cluster: named, vmid })?.alone();
  if (cluster === undefined || vmid === undefined) return undefined;
  const run = context.runs().last(runKey({ cluster, guest: { vmid } }));
  if (run?.step(DELETE) === undefined) return undefined;
  const { type, node, name } = journeyOf(run.input);
  return targetOf(cluster, {
    id: `${type}/${vmid}`,
    type,
    vmid,
    node,
    name,
    status: GONE,
    template: false,
    tags: [],
  });
}

/**
 * Deletes the guest that has moved, once more compared with its copy right before.
 *
 * @throws CallError NOT_FOUND where no move of it was finished; CONFLICT with all that speaks against it;
 *   APPROVAL_REQUIRED; TASK_FAILED
 */
export async function deleteSource(
  source: GuestTarget,
  waitSeconds: number,
  context: ToolContext,
): Promise<Outcome> {
  const runs = context.runs();
  const run = runs.last(runKey(source));
  if (run === undefined || run.step(MOVE)?.state !== 'done') throw notMoved(source);
  const journey = journeyOf(run.input);
  // A VMID is given anew: what has this one now is not what moved.
  const isOther = source.guest.name !== journey.name;
  if (isOther || (run.step(DELETE)?.state === 'done' && source.guest.status !== GONE)) throw notMoved(source);
  return runs.hold(run, context.signal, async () => {
    const until = context.now() + waitSeconds * 1000;
    let checks: Check[] = [];
    const { type, node, name = source.guest.name } = journey;
    const request = { method: 'DELETE', path: source.at(), expectName: name } as const;
    const write = {
      name: DELETE,
      cluster: source.cluster,
      request,
      task: { node, types: [type === 'qemu' ? 'qmdestroy' : 'vzdestroy'], id: String(source.guest.vmid) },
      // However long ago a call before this one was cut off: what is told to go has just been compared.
      beforeSending: async () => {
        checks = await compare(source, journey, until, context);
        await source.cluster.approve([request], { atLeast: 'self', notes: notesOf(journey) });
      },
    };
    const left = Math.max(0, Math.floor((until - context.now()) / 1000));
    const { task } = await runWrite(run, write, left, context);
    const isGone = task === undefined || task.status === 'ok' || task.status === 'warnings';
    if (isGone) await run.close('done');
    return {
      status: isGone ? 'deleted' : 'running',
      ...fieldsOf(journey),
      checks: checks.map(({ ok, ...check }) => ({ ...check, ...compact({ ok }) })),
      ...(task === undefined ? {} : { task }),
      next: isGone
        ? 'Backup jobs here may name it still: list_backup_jobs.'
        : 'Repeat this call: it goes on with following.',
    };
  });
}

/** @throws CallError CONFLICT with all that speaks against it */
async function compare(
  source: GuestTarget,
  journey: Journey,
  until: number,
  context: ToolContext,
): Promise<Check[]> {
  // There is nothing to lose: the approval says that it is not there.
  if (source.guest.status === GONE) return [];
  const to = context.cluster(journey.to).alone();
  const [checks, { values }, state] = await Promise.all([
    verify(source, to, journey, until, context),
    readConfig(source),
    stateOf(source),
  ]);
  const found: Finding[] = [];
  if ('problem' in state || state.live.state !== 'stopped')
    found.push(blocks('The source is not stopped.', 'Compare both: one of them is the one that is used.'));
  if ('live' in state && state.live.row.name !== journey.name)
    found.push(blocks('The source has another name by now.', 'Look whether it is the guest that moved.'));
  const macs = partsOf(values).nics.flatMap(({ mac }) => mac ?? []);
  if (macs.some((mac) => !Object.values(journey.expect.nics).includes(mac)))
    found.push(
      blocks('The source has other NICs than the guest that moved.', 'Look whether it is that guest.'),
    );
  else if (source.guest.type !== journey.type || !isAsItWas(values, journey))
    found.push(
      blocks(
        'The source has other options or disks than what moved: it may be not the guest that moved.',
        'Compare both; delete_guest deletes a guest for other reasons.',
      ),
    );
  if (isTrue(values.protection))
    found.push(blocks('The source is protected.', 'update_guest protection=false, by its owner.'));
  if (passed(checks) !== true) {
    const bad = checks
      .filter(({ ok }) => ok !== true)
      .map(({ check, found: now }) => `${check}: ${quoted(now)}`);
    found.push(
      blocks(`The copy is not verified (${bad.join('; ')}).`, 'Mend it; action=start compares again.'),
    );
  }
  requireUnblocked(source.cluster, found);
  return checks;
}

function notesOf({ to, target_node, target_vmid }: Journey): string[] {
  return [
    `It has moved: the copy is ${target_vmid} on ${quoted(target_node)} of ${to}, and has just been compared with it.`,
    'With it goes the way back; its backups stay where they are.',
  ];
}

function notMoved({ guest, cluster }: GuestTarget): CallError {
  return new CallError(
    'NOT_FOUND',
    `No move of ${guest.vmid} of ${cluster.name} that you began has ended well.`,
    {
      cluster: cluster.name,
      hint: 'action=start moves it, or goes on with a move. delete_guest deletes a guest for other reasons. Nothing was sent.',
    },
  );
}

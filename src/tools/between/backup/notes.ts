import type { Run } from '../../../access/runs/runs.ts';
import { quoted } from '../../../proxmox/text.ts';
import { ageDays, isoTime, numberOf, textOf } from '../../results.ts';
import { inWords } from '../../size.ts';
import { type BackupArgs, type Journey, STEP } from './journey.ts';
import type { RestorePoint } from './restore-points.ts';
import type { RestorePlan, RestoreValues } from './restore-request.ts';
import type { Survey } from './survey.ts';

/** `VM 103 (build-01) of production`, cleaned. */
export function guestWords(
  cluster: string,
  guest: { type: string; vmid: number; name?: string | undefined },
): string {
  const kind = guest.type === 'qemu' ? 'VM' : 'container';
  return `${kind} ${guest.vmid}${guest.name === undefined ? '' : ` (${quoted(guest.name)})`} of ${cluster}`;
}

/** What a person has to know before the source is shut down and backed up. */
export function backupNotes(
  { source, target }: Journey,
  { storage, plan, findings }: Survey,
  args: BackupArgs,
): string[] {
  const subject = source === undefined ? '' : guestWords(source.cluster.name, source.guest);
  return [
    ...(args.stop_source
      ? [`First ${subject} is shut down; it stays down, and is not deleted. power_guest starts it again.`]
      : []),
    `${args.stop_source ? 'Then it' : subject} is backed up to ${quoted(storage?.source ?? '')} (${quoted(storage?.backend ?? '')}), which ${target.name} sees as ${quoted(storage?.target ?? '')}.`,
    `Behind that, under a plan of its own, it is restored on ${target.name}: ${placeWords(plan)}.`,
    ...warningsIn(findings),
  ];
}

/** What a person has to know before a copy is made. */
export function restoreNotes(
  { source, target }: Journey,
  { plan, point, findings }: Survey & { point: RestorePoint },
  now: number,
): string[] {
  const { options, values } = plan;
  const pool = source?.guest.pool;
  const set = Object.entries(options).map(([key, value]) => `${key} ${quoted(String(value))}`);
  return [
    `1. ${quoted(point.volid)} is restored: ${ageWords(point, now)}; what the guest wrote since is not in it.`,
    `It becomes ${placeWords(plan)}, with new MAC addresses. Nothing is overwritten.`,
    ...(set.length === 0 ? [] : [`2. Set behind that: ${set.join('; ')}.`]),
    'It is held against its backup: disks, NICs, cores, memory.',
    values.start
      ? 'At the end it is started, if its source is stopped at that moment: both never run.'
      : 'It stays stopped, and does not start with its node.',
    source === undefined
      ? `Its original is not looked at; nothing outside of ${target.name} is changed.`
      : `${guestWords(source.cluster.name, source.guest)} stays as it is, and is not deleted.${values.start ? ' Take its onboot away (update_guest), or its node starts it beside the copy.' : ''}`,
    `${pool === undefined ? 'Pool' : `Its pool ${quoted(pool)}`}, permissions, HA, replication and backup jobs do not come along.`,
    ...warningsIn(findings),
  ];
}

/** The same where the restore is done, and some of it is left. */
export function finishNotes({ target }: Journey, { vmid, volid, start }: RestoreValues): string[] {
  return [
    `${vmid} of ${target.name} was restored from ${quoted(volid)} by an earlier call; this is what is left of it.`,
    ...(start ? ['It is started only if its source is stopped at that moment: both never run.'] : []),
  ];
}

function placeWords({ guest, storage, bytes, bridges }: RestorePlan): string {
  const moved = Object.entries(bridges).map(([from, to]) =>
    from === to ? quoted(from) : `${quoted(from)} as ${quoted(to)}`,
  );
  const disks = bytes === undefined ? 'disks' : `disks of ${inWords(bytes)}`;
  const kind = guest.type === 'qemu' ? 'VM' : 'container';
  return `${kind} ${guest.vmid}${guest.name === undefined ? '' : ` (${quoted(guest.name)})`} on node ${quoted(guest.node)}, ${disks} on ${quoted(storage ?? '')}, bridges ${moved.length === 0 ? 'none' : moved.join(', ')}`;
}

function warningsIn(findings: Survey['findings']): string[] {
  return findings
    .filter(({ severity }) => severity === 'warns')
    .map(({ what, do: advice }) => `${what} ${advice}`);
}

/** @param now epoch milliseconds */
export function ageWords({ madeAt }: Pick<RestorePoint, 'madeAt'>, now: number): string {
  const days = ageDays(madeAt, now) ?? 0;
  const age = days >= 1 ? `${days} days` : `${Math.max(0, Math.round((now - madeAt) / 60_000))} minutes`;
  return `made ${isoTime(madeAt)}, ${age} ago`;
}

/** What of a run is where, in sentences: for whoever has to go on, or to clean up. */
export function standingOf({ source, target }: Journey, run: Run | undefined): string[] {
  const state = (name: string) => run?.step(name)?.state;
  const archive = textOf(run?.step(STEP.archive)?.data.volid);
  const copy = numberOf(run?.step(STEP.chosen)?.data.vmid);
  const subject = source === undefined ? undefined : guestWords(source.cluster.name, source.guest);
  return [
    ...(state(STEP.shutdown) !== undefined && subject !== undefined
      ? [
          `${subject} was ${state(STEP.shutdown) === 'done' ? 'shut down' : 'told to shut down'}; power_guest starts it again.`,
        ]
      : []),
    ...(state(STEP.backup) === 'begun'
      ? [`Its backup was begun on ${source?.cluster.name ?? 'its cluster'}.`]
      : []),
    ...(archive === undefined ? [] : [`Its backup is ${quoted(archive)} on ${target.name}.`]),
    ...(copy === undefined || state(STEP.restore) === undefined
      ? []
      : state(STEP.restore) === 'done'
        ? [
            `${copy} of ${target.name} is restored${state(STEP.start) === 'done' ? ' and started' : ', and not started'}.`,
          ]
        : [
            `The restore of ${copy} on ${target.name} was begun${state(STEP.restore) === 'failed' ? ' and failed; get_guest tells whether anything is left of it there, delete_guest removes that' : ''}.`,
          ]),
  ];
}

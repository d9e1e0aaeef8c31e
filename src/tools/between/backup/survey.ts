import type { GatedCluster } from '../../../access/gate.ts';
import { quoted } from '../../../proxmox/text.ts';
import { findArchive } from '../../backups/archives.ts';
import type { SavedConfig } from '../../backups/guest-config.ts';
import type { ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { readConfig } from '../../guest-config.ts';
import { liveState } from '../../guest-live.ts';
import { vmidFor } from '../../guests/new-guest.ts';
import { unfitting } from '../../refusals.ts';
import { isoTime, numberOf, textOf } from '../../results.ts';
import { blocks, type Finding, sorted, warns } from '../finding.ts';
import { type CommonStorage, commonStorages } from './common-storage.ts';
import { type BackupArgs, type Journey, STEP, stageOf } from './journey.ts';
import { NOWHERE } from './restore-findings.ts';
import { type RestorePoint, savedConfigOf } from './restore-points.ts';
import { type RestorePlan, restorePlan } from './restore-request.ts';
import { proposedNode, readRestoreTarget } from './restore-target.ts';
import { sourceFindings } from './source-findings.ts';
import { remainingWays } from './ways.ts';

/** All that is known before anything is sent. */
export interface Survey {
  /** Empty where a backup is named. */
  storages: CommonStorage[];
  /** The one that the backup goes to. */
  storage: CommonStorage | undefined;
  /** Only where the clusters share no storage. */
  ways?: string[];
  /** Undefined until the backup is made. */
  point: RestorePoint | undefined;
  saved: SavedConfig;
  plan: RestorePlan;
  findings: Finding[];
}

/** Reads both clusters, and works out what would happen; sends nothing. @throws CallError */
export async function survey(journey: Journey, args: BackupArgs, context: ToolContext): Promise<Survey> {
  if (stageOf(journey, args) === 'backup') return beforeBackup(journey, args, context);
  return behindBackup(journey, args, context);
}

async function beforeBackup(journey: Journey, args: BackupArgs, context: ToolContext): Promise<Survey> {
  const { source, target, start } = journey;
  if (source === undefined) throw new Error('a backup is made of a guest');
  const { guest } = source;
  const storages = await commonStorages(source.cluster, target);
  const storage = chosen(storages, journey, args);
  const { values } = await readConfig(source);
  const saved = { options: textsOf(values), description: '' };
  const point = {
    ...{ volid: NOWHERE, storage: storage?.target ?? NOWHERE, node: storage?.targetNodes[0] ?? NOWHERE },
    ...{ shared: true, vmid: guest.vmid, type: guest.type, madeAt: context.now(), protected: false },
    ...{
      bytes: undefined,
      format: undefined,
      notes: undefined,
      verification: undefined,
      encrypted: undefined,
    },
  };
  const { plan, findings } = await planned(journey, args, { point, saved }, context);
  // It is locked by the backup itself now, and what else is in the way is looked at behind it.
  const isBegun = journey.run?.step(STEP.backup)?.state === 'begun';
  const bytes = plan.bytes;
  const found = isBegun
    ? []
    : [
        ...commonFindings(journey, args, storages, storage),
        ...(await sourceFindings(source, { start, stopSource: args.stop_source, storage, bytes })),
        ...(await versionFindings(source.cluster, target)),
        ...findings,
      ];
  return {
    storages,
    storage,
    ...(storages.length > 0 ? {} : { ways: await remainingWays(source.cluster, target) }),
    point: undefined,
    saved,
    plan,
    findings: sorted([...begunFindings(journey, args), ...found]),
  };
}

async function behindBackup(journey: Journey, args: BackupArgs, context: ToolContext): Promise<Survey> {
  const { source, target, start, run } = journey;
  const volid = args.volid ?? String(run?.step(STEP.archive)?.data.volid);
  const { archive } = await findArchive(target, volid);
  const { vmid, type, madeAt } = archive;
  if (vmid === undefined || type === undefined || madeAt === undefined)
    throw unfitting('The name of this backup does not tell what it holds, or when it was made.');
  const point = { ...archive, vmid, type, madeAt };
  const saved = await savedConfigOf(target, point);
  const { plan, findings } = await planned(journey, args, { point, saved }, context);
  const live = source === undefined || !start ? undefined : await liveState(source);
  const isUp = live?.state === 'running' || live?.state === 'paused';
  return {
    storages: [],
    storage: undefined,
    point,
    saved,
    plan,
    findings: sorted([
      ...(source !== undefined && (source.guest.vmid !== vmid || source.guest.type !== type)
        ? [
            blocks(
              `The backup is of ${type} ${vmid}, and the guest named is ${source.guest.type} ${source.guest.vmid}.`,
              'Name the guest that it is of, or another backup.',
            ),
          ]
        : []),
      ...(start && source === undefined
        ? [
            blocks(
              'Whether the guest of this backup runs anywhere is not known: the copy may not be started.',
              'Pass cluster and vmid of the guest it is of, or start: false; power_guest starts the copy once the original is down.',
            ),
          ]
        : []),
      ...(isUp ? [runsAgain(live?.state ?? '')] : []),
      ...(source === undefined ? [] : await versionFindings(source.cluster, target)),
      ...findings,
    ]),
  };
}

async function planned(
  { target, start, ended }: Journey,
  args: BackupArgs,
  { point, saved }: { point: RestorePoint; saved: SavedConfig },
  { signal }: ToolContext,
): Promise<{ plan: RestorePlan; findings: Finding[] }> {
  const view = await readRestoreTarget(target, signal);
  const { guests, nodes } = view.inventory;
  const online = nodes.filter(({ status }) => status === 'online');
  const node =
    args.target_node ?? proposedNode(view, point) ?? target.settings.defaultNode ?? online[0]?.node ?? '';
  const vmid =
    args.target_vmid ??
    (await freeVmid(
      target,
      point.vmid,
      guests.map((guest) => guest.vmid),
    ));
  const plan = restorePlan(view, {
    ...{ point, saved, vmid, node, start, storage: args.storage, bridgeMap: args.bridge_map },
    ...{ addresses: args.addresses, name: args.new_name },
  });
  const copy = numberOf(ended?.step(STEP.chosen)?.data.vmid);
  const isThere = guests.some(
    (guest) => guest.vmid === copy && guest.name === ended?.step(STEP.chosen)?.data.name,
  );
  return {
    plan,
    findings: [
      ...plan.findings,
      ...(target.settings.readOnly
        ? [blocks(`${target.name} is read-only here.`, 'The operator can change that (read_only).')]
        : []),
      ...(isThere
        ? [
            (start ? blocks : warns)(
              `${target.name} has the copy ${copy} of it already, made ${isoTime(ended?.endedAt ?? 0)}.`,
              'Delete that one first (delete_guest), or pass start: false for another that stays stopped.',
            ),
          ]
        : []),
    ],
  };
}

/** The guest's own VMID where it is free there: whoever looks for it finds it. */
async function freeVmid(target: GatedCluster, own: number, taken: readonly number[]): Promise<number> {
  return taken.includes(own) ? vmidFor(target, { name: undefined }) : own;
}

function runsAgain(state: string): Finding {
  return blocks(
    `The source is ${state}, and the copy may not run beside it.`,
    'Shut it down (power_guest), and what it wrote since the backup is not in the copy; or pass start: false; or action=forget, then start with stop_source.',
  );
}

/** What was begun goes on as it was begun. */
function begunFindings({ run }: Journey, { stop_source, mode, backup_storage }: BackupArgs): Finding[] {
  if (run === undefined) return [];
  const { input } = run;
  const differs = [
    ...(input.stop_source === stop_source ? [] : ['stop_source']),
    ...(input.mode === mode ? [] : ['mode']),
    ...(backup_storage === undefined || input.storage === backup_storage ? [] : ['backup_storage']),
  ];
  if (differs.length === 0) return [];
  return [
    blocks(
      `Run ${run.id} was begun at ${isoTime(run.startedAt)} with another ${differs.join(', ')}.`,
      'Repeat it with the same arguments, or drop it by action=forget.',
    ),
  ];
}

async function versionFindings(source: GatedCluster, target: GatedCluster): Promise<Finding[]> {
  const [from, to] = await Promise.all([versionOf(source), versionOf(target)]);
  if (from === undefined || to === undefined || major(to) >= major(from)) return [];
  return [
    warns(
      `${target.name} has Proxmox VE ${to}, and ${source.name} ${from}: options and machine types that the older one does not know stop the copy from starting.`,
      'Look at the copy before it is started (start: false), or upgrade the target first.',
    ),
  ];
}

async function versionOf(cluster: GatedCluster): Promise<string | undefined> {
  const health = await cluster.health();
  return health.reachable ? health.version : undefined;
}

function major(version: string): number {
  return Number.parseInt(version, 10);
}

function chosen(
  storages: readonly CommonStorage[],
  { source, run }: Journey,
  { backup_storage: wanted, target_node: node }: BackupArgs,
): CommonStorage | undefined {
  // What was begun to one storage is not looked for on another.
  const id = textOf(run?.input.storage) ?? wanted;
  if (id !== undefined) return storages.find((storage) => storage.source === id);
  const here = source?.guest.node ?? '';
  const able = storages.filter(
    ({ sourceNodes, targetNodes }) =>
      sourceNodes.includes(here) &&
      (node === undefined ? targetNodes.length > 0 : targetNodes.includes(node)),
  );
  return able[0] ?? storages[0];
}

function commonFindings(
  { source, target }: Journey,
  { backup_storage: wanted }: BackupArgs,
  storages: readonly CommonStorage[],
  storage: CommonStorage | undefined,
): Finding[] {
  const name = source?.cluster.name ?? '';
  if (storages.length === 0) {
    return [
      blocks(
        `${name} and ${target.name} share no storage for backups that can be seen.`,
        'The answer of action=check tells the ways that remain (`ways`).',
      ),
    ];
  }
  if (storage === undefined) {
    return [
      blocks(
        `${quoted(wanted ?? '')} of ${name} is no storage for backups that ${target.name} sees, too.`,
        `Pass backup_storage: ${someOf(storages.map((one) => one.source))}.`,
      ),
    ];
  }
  return storage.warnings.map((warning) => warns(warning, 'Look at list_storage of both.'));
}

function textsOf(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
}

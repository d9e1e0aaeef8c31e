import type { GatedCluster } from '../../../access/gate.ts';
import type { Schedule } from '../../../access/schedules/schedule.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { count } from '../../results.ts';
import { inWords } from '../../size.ts';
import { type CommonStorage, commonStorages } from '../backup/common-storage.ts';
import {
  fittingStorages,
  freeBytes,
  proposedStorage,
  type RestoreTarget,
  readRestoreTarget,
} from '../backup/restore-target.ts';
import { blockers, blocks, type Finding, warns } from '../finding.ts';
import { jobOf, type ReplicationJob, replicaName, replicasOf } from './job.ts';
import { isFree } from './replicas.ts';

/** New guests get the lowest free VMIDs: those that are reserved stand where none of them comes soon. */
const FIRST_RESERVED = 900_000;
const MOST_TRIED = 200;
/** Of one caller: each is asked about in a list. */
const MOST_JOBS = 50;
/** A host name is no longer. */
const LONGEST_NAME = 63;

export interface Wish {
  node: string | undefined;
  storage: string | undefined;
  /** As the source calls it. */
  backupStorage: string | undefined;
  vmids: readonly number[] | undefined;
  keep: number;
  makesBackup: boolean;
}

interface Ends {
  source: GatedCluster;
  target: GatedCluster;
  guest: GuestRow;
  /** The one that is changed. */
  existing: Schedule | undefined;
  /** Others of this caller, whose VMIDs are not to be taken. */
  others: readonly Schedule[];
  signal: AbortSignal;
}

/**
 * Works out a replication, and refuses it with all that speaks against it at once.
 *
 * @returns what it is, and what a person has to know of it
 * @throws CallError CONFLICT
 */
export async function workOut(ends: Ends, wish: Wish): Promise<{ job: ReplicationJob; warnings: string[] }> {
  const { source, target, guest, signal } = ends;
  const [commons, place] = await Promise.all([
    commonStorages(source, target),
    readRestoreTarget(target, signal, []),
  ]);
  const { common, findings: ofBackups } = commonFor(ends, wish, commons);
  const { node, findings: ofNode } = nodeFor(ends, wish, place, common);
  const storage = storageFor(place, node, guest, wish);
  const { vmids, findings: ofVmids } = await vmidsFor(ends, wish);
  const findings = [
    ...guestFindings(ends),
    ...(ends.others.length < MOST_JOBS
      ? []
      : [blocks(`You have ${MOST_JOBS} other replications.`, 'Delete one (delete: true).')]),
    ...ofBackups,
    ...ofNode,
    ...storageFindings(place, { node, guest, storage, keep: wish.keep }),
    ...ofVmids,
  ];
  requireNothingAgainst(target, findings);
  if (common === undefined || storage === undefined) throw new Error('a finding was left out');
  const job = {
    ...{ source: source.name, vmid: guest.vmid, guest: guest.name ?? '', type: guest.type },
    ...{ target: target.name, node, storage, backupStorage: common.source, seenAs: common.target },
    ...{ vmids, keep: wish.keep, makesBackup: wish.makesBackup },
  };
  const warnings = findings.map(({ what, do: advice }) => `${what} ${advice}`);
  return { job, warnings: [...warnings, ...common.warnings] };
}

function guestFindings({ source, target, guest }: Ends): Finding[] {
  const { vmid, name, template } = guest;
  return [
    ...(source.name === target.name
      ? [
          blocks(
            `${source.name} can't be its own target.`,
            'Pass another cluster in `to`; save_replication_job copies within one.',
          ),
        ]
      : []),
    ...(name === undefined
      ? [blocks(`${vmid} has no name, by which it is known again.`, 'Give it one (update_guest).')]
      : replicaName({ guest: name }).length > LONGEST_NAME
        ? [
            blocks(
              `The name ${quoted(replicaName({ guest: name }))} is too long.`,
              'Give the guest a shorter one.',
            ),
          ]
        : []),
    ...(template ? [blocks(`${vmid} is a template.`, 'It does not change: copy it once.')] : []),
  ];
}

function commonFor({ source, target, guest }: Ends, { backupStorage }: Wish, commons: CommonStorage[]) {
  const fit = commons.filter(({ sourceNodes }) => sourceNodes.includes(guest.node));
  const names = someOf(fit.map((one) => quoted(one.source)));
  const named = fit.filter((one) => backupStorage === undefined || one.source === backupStorage);
  const [common] = named;
  const findings =
    common === undefined
      ? [
          backupStorage === undefined || fit.length === 0
            ? blocks(
                `${source.name} and ${target.name} have no storage for backups in common that ${quoted(guest.node)} reaches.`,
                'Give both one PBS datastore, NFS export or share (create_storage).',
              )
            : blocks(
                `${quoted(backupStorage)} of ${source.name} is none that both see.`,
                `Pass backup_storage: ${names}.`,
              ),
        ]
      : named.length > 1
        ? [blocks(`Both see several storages for backups: ${names}.`, 'Pass backup_storage.')]
        : [];
  return { common, findings };
}

function nodeFor(
  { target }: Ends,
  { node: named }: Wish,
  { inventory }: RestoreTarget,
  common: CommonStorage | undefined,
) {
  const online = inventory.nodes.filter(({ status }) => status === 'online').map(({ node }) => node);
  const reach = online.filter((node) => common === undefined || common.targetNodes.includes(node)).sort();
  const wanted = named ?? target.settings.defaultNode ?? (reach.length === 1 ? reach[0] : undefined);
  if (wanted !== undefined && reach.includes(wanted)) return { node: wanted, findings: [] };
  const what =
    wanted === undefined
      ? `Which node of ${target.name} is meant is not said.`
      : `The node ${quoted(wanted)} of ${target.name} is not online, or does not reach the backups.`;
  return {
    // None is known then, and nothing more is said of it.
    node: '',
    findings: [blocks(what, `Pass target_node: ${someOf(reach, 30) || 'none fits'}.`)],
  };
}

function storageFor(place: RestoreTarget, node: string, { type }: GuestRow, { storage }: Wish) {
  if (storage === undefined) return proposedStorage(place, node, { type, wereOn: [] });
  return fittingStorages(place, node, type).find((row) => row.storage === storage)?.storage;
}

function storageFindings(
  place: RestoreTarget,
  {
    node,
    guest,
    storage,
    keep,
  }: { node: string; guest: GuestRow; storage: string | undefined; keep: number },
): Finding[] {
  const fits = fittingStorages(place, node, guest.type);
  const row = fits.find((one) => one.storage === storage);
  if (row === undefined) {
    const names = fits.map((one) => one.storage).sort();
    return node === ''
      ? []
      : [
          blocks(
            `No such storage of ${place.cluster.name} takes its disks on ${quoted(node)}.`,
            `Pass storage: ${someOf(names, 30) || 'none there fits'}.`,
          ),
        ];
  }
  const free = freeBytes(row);
  const bytes = guest.maxDiskBytes;
  if (free === undefined || bytes === undefined || bytes * (keep + 1) <= free) return [];
  return [
    warns(
      `${count(keep + 1, 'replica')} of up to ${inWords(bytes)} may stand on ${quoted(row.storage)} at once, which has ${inWords(free)} free.`,
      'Where it fills up a run fails, and the last good state stays.',
    ),
  ];
}

/** One more than are kept; those of the job that is changed stay. */
async function vmidsFor({ target, existing, others }: Ends, { vmids: given, keep }: Wish) {
  const held = existing === undefined ? [] : replicasOf(existing).map(({ vmid }) => vmid);
  const reserved = others
    .map((schedule) => jobOf(schedule))
    .filter((job) => job.target === target.name)
    .flatMap((job) => job.vmids);
  const isUsable = async (vmid: number) =>
    held.includes(vmid) || (!reserved.includes(vmid) && (await isFree(target, vmid)));
  if (given !== undefined) {
    const usable = await Promise.all(given.map(isUsable));
    const taken = given.filter((_vmid, index) => !usable[index]);
    const isRight = new Set(given).size === keep + 1 && given.length === keep + 1;
    return {
      vmids: [...given],
      findings: [
        ...(isRight
          ? []
          : [
              blocks(
                `${count(keep + 1, 'VMID')} are needed: one more than are kept.`,
                'Pass so many different `vmids`, or none.',
              ),
            ]),
        ...(taken.length === 0
          ? []
          : [
              blocks(
                `${taken.join(', ')} of ${target.name} can't be had: taken, or reserved by another replication.`,
                'Pass free `vmids`, or none.',
              ),
            ]),
      ],
    };
  }
  const vmids: number[] = [];
  for (let vmid = FIRST_RESERVED; vmids.length <= keep && vmid < FIRST_RESERVED + MOST_TRIED; vmid += 1) {
    if (await isUsable(vmid)) vmids.push(vmid);
  }
  const isFull = vmids.length <= keep;
  return { vmids, findings: isFull ? [blocks('No free VMIDs were found.', 'Pass `vmids`.')] : [] };
}

/** @throws CallError CONFLICT with each of them */
function requireNothingAgainst(target: GatedCluster, findings: readonly Finding[]): void {
  const against = blockers(findings);
  if (against.length === 0) return;
  const all = against.map(({ what, do: advice }, index) => `(${index + 1}) ${what} ${advice}`);
  throw new CallError('CONFLICT', `${count(against.length, 'finding')} against it: ${all.join(' ')}`, {
    cluster: target.name,
    hint: 'Nothing was saved, and nothing was sent.',
    retryable: false,
  });
}

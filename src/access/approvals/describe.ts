import { isTrue, type Json, text } from '../../catalogue/json.ts';
import { type ApiPath, apiPath } from '../../proxmox/api-path.ts';
import type { Parameters } from '../../proxmox/call.ts';
import { abortable, Deadline } from '../../proxmox/deadline.ts';
import type { Ending } from '../../proxmox/ending.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { describeGuest, type GuestAsked, NEW, type Reads, rowsOf } from './describe-guest.ts';
import type { JudgedCall } from './loss-rule.ts';
import { lossOf } from './losses.ts';
import type { PlanFacts, PlannedGuest } from './plan.ts';
import { guestName, quoted } from './words.ts';

/** Reads from the cluster that the plan is for: GET alone, and past the approval it is made for. */
export type PlanReader = (path: ApiPath, parameters: Parameters, signal: Ending) => Promise<unknown>;

export interface DescribedCall extends Omit<JudgedCall, 'segments'> {
  path: ApiPath;
}

export interface DescribeOptions {
  signal: Ending;
  /** Epoch milliseconds. */
  now: number;
  /** The tool that makes the calls: how it is told to take a snapshot before them. */
  tool: string;
  /** Whether a snapshot is taken before them already. */
  hasSnapshot?: boolean;
  /** For all questions together; what is not known by then is a warning. */
  deadlineMs?: number;
}

const DEADLINE_MS = 5000;
/** A guest takes half a dozen questions, and pveproxy has three workers. */
const MOST_GUESTS = 5;

/**
 * Finds out what a person has to know before these calls are made: the guests and their state now, what is lost, what
 * depends on it, the last backup, the way back. Everything is asked at once; what can't be read is a warning and
 * holds nothing up.
 */
export async function describePlan(
  calls: readonly DescribedCall[],
  read: PlanReader,
  { signal, now, tool, hasSnapshot = false, deadlineMs = DEADLINE_MS }: DescribeOptions,
): Promise<PlanFacts> {
  const warnings = new Set<string>();
  const judged = calls.map(({ path, ...call }) => ({ ...call, segments: path.segments }));
  using until = new Deadline(deadlineMs, [signal]);
  const reads: Reads = async (what, path, parameters = {}) => {
    try {
      return await abortable(read(path, parameters, until), until);
    } catch (thrown) {
      signal.throwIfAborted();
      const why = until.aborted ? `no answer within ${deadlineMs / 1000} s` : toCallError(thrown).code;
      warnings.add(`${what} could not be read (${why}).`);
      return undefined;
    }
  };
  const asked = guestsOf(judged);
  const rows = asked.size === 0 ? [] : rowsOf(await reads('The list of guests', apiPath`/cluster/resources`));
  const chosen = [...asked.values()].slice(0, MOST_GUESTS);
  if (asked.size > chosen.length) {
    warnings.add(`${asked.size - chosen.length} more guests are affected; they were not looked at.`);
  }
  const [jobs, replication] =
    asked.size === 0
      ? [[], []]
      : await Promise.all([
          reads('The backup jobs', apiPath`/cluster/backup`).then(rowsOf),
          reads('The replication jobs', apiPath`/cluster/replication`).then(rowsOf),
        ]);
  const guests = await Promise.all(
    chosen.map((guest) => describeGuest(guest, { rows, jobs, replication, reads, now })),
  );
  const storages = await Promise.all(judged.map((call) => storageUse(call, rows, reads)));
  const losses = judged.map((call) => {
    const vmid = guestOf(call)?.vmid;
    const guest = guests.find((one) => one.guest.vmid === vmid)?.guest;
    const loss = lossOf(call, guest);
    // What these calls make has nothing to lose to those behind the first.
    const isOfNew = guest?.status === NEW && call.segments.length > 3;
    return isOfNew ? { lost: [], undo: [], snapshotHelps: false } : loss;
  });
  for (const guest of guests) for (const warning of guest.warnings) warnings.add(warning);
  const mayHelp = losses.some(({ snapshotHelps }) => snapshotHelps);
  const snapshot =
    mayHelp && guests.some(({ guest }) => canHaveSnapshot(guest)) ? [snapshotFirst(tool, hasSnapshot)] : [];
  return {
    guests: guests.map(({ guest: { disks, ...guest } }): PlannedGuest => guest),
    lost: unique(losses.flatMap(({ lost }) => lost)),
    dependents: unique([...guests.flatMap(({ dependents }) => dependents), ...storages.flat()]),
    ...(guests.every(({ guest }) => guest.status === NEW) ? {} : { last_backup: backupsInWords(guests) }),
    undo: unique([...losses.flatMap(({ undo }) => undo), ...snapshot]).join(' '),
    warnings: [...warnings],
  };
}

/** The guests that the calls name, each once: in the path, or in the parameters of those that act on several. */
function guestsOf(calls: readonly JudgedCall[]): Map<number, GuestAsked> {
  const found = new Map<number, GuestAsked>();
  const add = (vmid: number, more: Omit<GuestAsked, 'vmid'> = {}): void => {
    if (Number.isSafeInteger(vmid) && vmid > 0) found.set(vmid, { vmid, ...found.get(vmid), ...more });
  };
  for (const call of calls) {
    const guest = guestOf(call);
    if (guest) add(guest.vmid, { ...guest, ...withDeleted(call, found.get(guest.vmid)) });
    const { vms, vmid, 'target-vmid': target } = call.parameters;
    // That of a remote migration is a guest of the other cluster.
    const isRemote = call.segments[4] === 'remote_migrate';
    for (const value of [vms, vmid, ...(isRemote ? [] : [target])].flat()) {
      if (value === undefined) continue;
      for (const part of String(value).split(/[\s,;]+/)) add(Number(part));
    }
  }
  return found;
}

/** A snapshot that goes, beside those that calls before this one delete. */
function withDeleted(
  { method, segments }: JudgedCall,
  known: GuestAsked | undefined,
): Pick<GuestAsked, 'deletedSnapshots'> {
  const [, , , , kind, snapshot] = segments;
  if (method !== 'DELETE' || kind !== 'snapshot' || snapshot === undefined || segments.length !== 6)
    return {};
  return { deletedSnapshots: [...(known?.deletedSnapshots ?? []), snapshot] };
}

function guestOf({ segments, parameters }: JudgedCall): GuestAsked | undefined {
  const [root, node, kind, id = ''] = segments;
  if (root !== 'nodes' || node === undefined) return undefined;
  if (kind === 'qemu' || kind === 'lxc') {
    const vmid = Number(segments.length === 3 ? parameters.vmid : id);
    if (!Number.isSafeInteger(vmid)) return undefined;
    return { vmid, node, type: kind, ...(segments.length === 3 ? madeBy(parameters) : {}) };
  }
  if (kind !== 'storage' || segments[4] !== 'content') return undefined;
  // A volume bears the number of its guest: vm-100-disk-0, vzdump-lxc-200-….
  const owner = /(?:^|[:/])(?:(?:vm|base|subvol|basevol)-|vzdump-(?:qemu|lxc)-)(\d+)-/.exec(
    segments.slice(5).join('/'),
  );
  return owner ? { vmid: Number(owner[1]) } : undefined;
}

/** Of a call that makes a guest: there is nothing to read of it yet. */
function madeBy({ force, name, hostname }: Parameters): Pick<GuestAsked, 'isNew' | 'name'> {
  const called = text(name) ?? text(hostname);
  return { isNew: !isTrue(force), ...(called === undefined ? {} : { name: called }) };
}

/** Which guests have volumes on a storage whose definition goes. */
async function storageUse(
  { method, segments }: JudgedCall,
  rows: readonly Json[],
  reads: Reads,
): Promise<string[]> {
  const [root, storage] = segments;
  if (method !== 'DELETE' || root !== 'storage' || storage === undefined || segments.length !== 2) return [];
  const known = rows.length > 0 ? rows : rowsOf(await reads('The storages', apiPath`/cluster/resources`));
  const nodes = known.flatMap(({ type, storage: name, node, status }) =>
    type === 'storage' && name === storage && status === 'available' && typeof node === 'string'
      ? [node]
      : [],
  );
  const lists = await Promise.all(
    nodes
      .slice(0, MOST_GUESTS)
      .map((node) =>
        reads(`The content of ${quoted(storage)}`, apiPath`/nodes/${node}/storage/${storage}/content`).then(
          rowsOf,
        ),
      ),
  );
  const volumes = new Map(lists.flat().map((row) => [String(row.volid), Number(row.vmid)]));
  const owners = unique([...volumes.values()].filter((vmid) => vmid > 0).map(String));
  return volumes.size === 0
    ? []
    : [
        `${volumes.size} volumes on the storage ${quoted(storage)}, of the guests ${owners.join(', ') || 'none'}`,
      ];
}

function canHaveSnapshot({ node, template }: PlannedGuest): boolean {
  return !template && node !== undefined;
}

function snapshotFirst(tool: string, hasSnapshot: boolean): string {
  if (hasSnapshot) return 'Or roll back to the snapshot that is taken before it.';
  return tool === 'proxmox_api_call'
    ? 'To be able to go back, repeat the call with snapshot_first: "<name>", which takes a snapshot before it.'
    : 'To be able to go back, take a snapshot with create_snapshot first.';
}

function backupsInWords(guests: Awaited<ReturnType<typeof describeGuest>>[]): string {
  const [only] = guests;
  if (only && guests.length === 1) return only.lastBackup;
  const there = guests.filter(({ guest }) => guest.status !== NEW);
  return there.map(({ guest, lastBackup }) => `${guestName(guest)}: ${lastBackup}`).join('; ');
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}

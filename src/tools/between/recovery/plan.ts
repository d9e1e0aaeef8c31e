import type { GatedCluster } from '../../../access/gate.ts';
import { isTrue } from '../../../catalogue/json.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { quoted } from '../../../proxmox/text.ts';
import { savedDisks } from '../../backups/guest-config.ts';
import type { ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { pooled } from '../../pooled.ts';
import { type RestorePoint, restorePoints } from '../backup/restore-points.ts';
import { type RestorePlan, restorePlan } from '../backup/restore-request.ts';
import { type RestoreTarget, readRestoreTarget } from '../backup/restore-target.ts';
import { blockers, type Finding, sorted, warns } from '../finding.ts';
import type { FailoverArgs } from './args.ts';
import { Room } from './capacity.ts';
import type { KnownGuest } from './kept.ts';
import { byStartup, type Startup, startupOf } from './order.ts';
import {
  namesakes,
  noneMeant,
  noPools,
  nothing,
  roomFindings,
  standingFindings,
  tooMany,
} from './plan-findings.ts';
import { guestsOfPoints, type LeftOut, pointsOf, type Recoverable } from './points.ts';
import { bytesOf, coresOf, memoryOf } from './saved-sizes.ts';
import { readSource, type SourceView } from './source.ts';
import { type Standing, standingOf } from './standing.ts';

/** Each is looked into, and becomes some calls of one plan that a person reads. */
const MOST_GUESTS = 200;
const OLD_MS = 7 * 86_400_000;

/** A guest that comes along. */
export interface PlannedGuest extends Recoverable {
  startup: Startup;
  starts: boolean;
  cores: number;
  memBytes: number;
  /** What the guest wrote since its backup, in milliseconds: it is lost. */
  ageMs: number;
  /** How its original stands. */
  standing: Standing;
  restore: RestorePlan;
}

export interface Failover {
  source: GatedCluster;
  target: GatedCluster;
  view: SourceView;
  /** In the order in which they are restored and started. */
  guests: PlannedGuest[];
  leftOut: LeftOut[];
  room: Room;
  /** About the whole; those of a guest are with it. */
  findings: Finding[];
}

/**
 * Works out how the guests of a cluster come back on another one, with GETs alone.
 *
 * @throws CallError for a scope that fits no guest, or can't be known; what either cluster answers
 */
export async function planFailover(
  { source, target }: { source: GatedCluster; target: GatedCluster },
  args: FailoverArgs,
  context: ToolContext,
): Promise<Failover> {
  const view = await readSource(source, target, args.backup_storage, context);
  const there = await readRestoreTarget(target, context.signal);
  const backups = await backupsOf(target, view, context);
  const { found, leftOut } = await recoverables({ view, there, args, source }, backups.points, context);
  const standings = await pooled(found, async ({ guest }) => standingOf(source, guest, context.signal));
  const ordered = found
    .map((one, index) => ({
      ...one,
      ...settingsOf(one, args.start),
      standing: standings[index] ?? 'unknown',
    }))
    .sort((a, b) => byStartup(rankOf(a), rankOf(b)));
  const room = new Room(there.inventory, {
    node: args.target_node,
    storage: args.storage,
    defaultStorage: target.settings.defaultStorage,
  });
  const placing = { there, room, args, source, vmids: await vmidsFor(there, ordered), now: context.now() };
  const placed = ordered.map((one) => placedGuest(one, placing));
  const guests = placed.filter((one): one is PlannedGuest => 'restore' in one);
  const without = placed.filter((one): one is LeftOut => 'why' in one);
  return {
    source,
    target,
    view,
    guests,
    leftOut: [...leftOut, ...without],
    room,
    findings: sorted([
      ...view.findings,
      ...backups.findings,
      ...standingFindings(source, guests),
      ...roomFindings(room),
      ...namesakes(guests),
      ...nothing(guests),
    ]),
  };
}

async function backupsOf(
  target: GatedCluster,
  { storages }: SourceView,
  { signal }: ToolContext,
): Promise<{ points: RestorePoint[]; findings: Finding[] }> {
  const ids = [...new Set(storages.map((storage) => storage.target))];
  const answers = await Promise.all(ids.map((storage) => restorePoints(target, { storage, signal })));
  const points = answers.flatMap((answer) => answer.points).sort((a, b) => b.madeAt - a.madeAt);
  const unread = answers.flatMap((answer) => answer.unread);
  const partial = [...new Set(answers.flatMap((answer) => answer.partial))];
  return {
    points,
    findings: [
      ...unread.map(({ storage, node, problem }) =>
        warns(
          `${quoted(storage)} could not be read on ${quoted(node)}: ${problem}`,
          'There may be newer backups: mend it, and plan anew.',
        ),
      ),
      ...(partial.length === 0
        ? []
        : [
            warns(
              `On ${someOf(partial)} the token of ${target.name} sees the backups of guests it has VM.Backup on, and no others.`,
              'Guests without a backup here may have one that it does not see.',
            ),
          ]),
    ],
  };
}

interface Scope {
  view: SourceView;
  there: RestoreTarget;
  args: FailoverArgs;
  source: GatedCluster;
}

/** The guests that are meant, each with the backup that it comes back from. */
async function recoverables(
  { view, there, args, source }: Scope,
  points: readonly RestorePoint[],
  context: ToolContext,
): Promise<{ found: Recoverable[]; leftOut: LeftOut[] }> {
  const { guests: own } = there.inventory;
  const asked = { target: there.cluster, own, points };
  if (view.guests === undefined) {
    if (args.pool !== undefined) throw noPools(source.name);
    const vmids = new Set(points.map(({ vmid }) => vmid)).size;
    if (vmids > MOST_GUESTS) throw tooMany(vmids, MOST_GUESTS);
    const found = await guestsOfPoints(asked, context);
    const fitting = found.filter(({ guest }) => isMeant(guest, args));
    return { ...parted(fitting, own, there.cluster.name) };
  }
  const meant = view.guests.filter((guest) => isMeant(guest, args));
  if (meant.length === 0) throw noneMeant(source.name, args);
  if (meant.length > MOST_GUESTS) throw tooMany(meant.length, MOST_GUESTS);
  const { found, leftOut } = await pointsOf(asked, meant, context);
  const rest = parted(found, own, there.cluster.name);
  return { found: rest.found, leftOut: [...leftOut, ...rest.leftOut] };
}

/** A guest that is there under the same name came with an earlier failover, or takes its place already. */
function parted(found: readonly Recoverable[], own: readonly GuestRow[], target: string) {
  const leftOut: LeftOut[] = [];
  const rest = found.filter(({ guest: { vmid, name }, saved }) => {
    const there = own.find((row) => name !== undefined && row.name === name);
    const isTemplate = isTrue(Number(saved.options.template ?? 0));
    if (there === undefined && !isTemplate) return true;
    const why = isTemplate
      ? 'it is a template'
      : `${target} has a guest of this name already: ${there?.vmid}, ${there?.status}`;
    leftOut.push({ vmid, name, why });
    return false;
  });
  return { found: rest, leftOut };
}

function isMeant(guest: KnownGuest, { tag, pool, leave_out = [] }: FailoverArgs): boolean {
  const isLeftOut = leave_out.some(
    (entry) => entry === String(guest.vmid) || entry.toLowerCase() === guest.name?.toLowerCase(),
  );
  return (
    !isLeftOut &&
    (tag === undefined || guest.tags.includes(tag.toLowerCase())) &&
    (pool === undefined || guest.pool === pool)
  );
}

function settingsOf({ guest, saved, point }: Recoverable, start: boolean) {
  const { options } = saved;
  return {
    startup: startupOf(options.startup),
    onboot: options.onboot === '1',
    // What nobody knows to have been stopped is taken to have run.
    starts: start && guest.ran !== false,
    cores: coresOf(saved, point.type),
    memBytes: memoryOf(saved),
  };
}

type Settled = Recoverable & ReturnType<typeof settingsOf> & { standing: Standing };

function rankOf({ guest, startup, onboot }: Settled) {
  return { vmid: guest.vmid, startup, onboot, isHa: guest.isHa };
}

/** Its own VMID where that is free, the next free ones for the others; the same at each call. */
async function vmidsFor(there: RestoreTarget, guests: readonly Settled[]): Promise<Map<number, number>> {
  const own = new Set(there.inventory.guests.map(({ vmid }) => vmid));
  const taken = new Set([...own, ...guests.map(({ guest }) => guest.vmid)]);
  if (!guests.some(({ guest }) => own.has(guest.vmid)))
    return new Map(guests.map(({ guest }) => [guest.vmid, guest.vmid]));
  const { data } = await there.cluster.request({ method: 'GET', path: apiPath`/cluster/nextid` });
  let next = Number(data);
  return new Map(
    guests.map(({ guest }) => {
      if (!own.has(guest.vmid)) return [guest.vmid, guest.vmid];
      while (taken.has(next)) next += 1;
      taken.add(next);
      return [guest.vmid, next];
    }),
  );
}

interface Placing {
  there: RestoreTarget;
  room: Room;
  args: FailoverArgs;
  source: GatedCluster;
  vmids: ReadonlyMap<number, number>;
  now: number;
}

function placedGuest(one: Settled, { there, room, args, vmids, now }: Placing): PlannedGuest | LeftOut {
  const { guest, point, saved, starts, cores, memBytes } = one;
  const disks = savedDisks(saved, point.type);
  const probe = {
    point,
    saved,
    vmid: vmids.get(guest.vmid) ?? guest.vmid,
    start: starts,
    bridgeMap: bridgesIn(one, args),
  };
  const place = room.place({
    vmid: guest.vmid,
    type: point.type,
    cores,
    memBytes: starts ? memBytes : 0,
    diskBytes: bytesOf(disks),
    wereOn: disks.map(({ storage }) => storage),
    nodes: readersOf(there, point),
  });
  const about = { vmid: guest.vmid, name: guest.name };
  if ('why' in place) return { ...about, why: `it does not fit: ${place.why}` };
  const restore = restorePlan(there, { ...probe, ...place });
  const blocking = blockers(restore.findings);
  if (blocking.length > 0) {
    return { ...about, why: blocking.map(({ what, do: advice }) => `${what} ${advice}`).join(' ') };
  }
  const ageMs = Math.max(0, now - point.madeAt);
  const old =
    ageMs > OLD_MS
      ? [
          warns(
            'Its newest backup is more than a week old.',
            'It may have been given up: leave_out takes it out.',
          ),
        ]
      : [];
  return { ...one, ageMs, restore, findings: sorted([...one.findings, ...old, ...restore.findings]) };
}

/** What the map says of bridges that this guest has: of the others it has nothing to say here. */
function bridgesIn({ saved }: Settled, { bridge_map = {} }: FailoverArgs): Record<string, string> {
  const nics = Object.entries(saved.options).filter(([key]) => /^net\d+$/.test(key));
  return Object.fromEntries(
    Object.entries(bridge_map).filter(([bridge]) =>
      nics.some(([, value]) => value.split(',').includes(`bridge=${bridge}`)),
    ),
  );
}

function readersOf({ inventory }: RestoreTarget, { storage, shared, node }: RestorePoint): string[] {
  const nodes = inventory.storages
    .filter((row) => row.storage === storage && row.status === 'available')
    .map((row) => row.node);
  return shared ? nodes : nodes.filter((one) => one === node);
}

import type { GatedCluster } from '../../../access/gate.ts';
import { isTrue } from '../../../catalogue/json.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { ApiPath, apiPath } from '../../../proxmox/api-path.ts';
import { type SavedConfig, savedDisks } from '../../backups/guest-config.ts';
import type { ToolContext } from '../../define.ts';
import { readConfig } from '../../guest-config.ts';
import { type LiveState, liveState } from '../../guest-live.ts';
import { targetOf } from '../../guest-target.ts';
import { pooled } from '../../pooled.ts';
import { compact } from '../../results.ts';
import { type CommonStorage, commonStorages } from '../backup/common-storage.ts';
import type { RestorePoint } from '../backup/restore-points.ts';
import { restorePlan } from '../backup/restore-request.ts';
import { type RestoreTarget, readRestoreTarget } from '../backup/restore-target.ts';
import { blockers, blocks, type Finding, sorted } from '../finding.ts';
import { candidatesOf } from './candidates.ts';
import { Room } from './capacity.ts';
import { originalFindings, storageFindings, whyNot } from './failback-findings.ts';
import type { HomeWish } from './failback-input.ts';
import { byStartup, startupOf } from './order.ts';
import type { LeftOut } from './points.ts';
import { bytesOf, coresOf, memoryOf } from './saved-sizes.ts';

export interface HomeClusters {
  home: GatedCluster;
  away: GatedCluster;
}

export interface FailbackWish {
  guests?: readonly string[] | undefined;
  backup_storage?: string | undefined;
  storage?: string | undefined;
  target_node?: string | undefined;
  bridge_map?: Readonly<Record<string, string>> | undefined;
  replace: boolean;
  start: boolean;
}

/** A guest that goes home. */
export interface Homecomer {
  guest: GuestRow;
  live: LiveState;
  wish: HomeWish;
  upSeconds: number | undefined;
  findings: Finding[];
}

export interface Failback {
  home: GatedCluster;
  away: GatedCluster;
  storage: CommonStorage | undefined;
  guests: Homecomer[];
  leftOut: LeftOut[];
  findings: Finding[];
}

/** Works out how guests go home, with GETs alone. @throws CallError; both clusters have to answer */
export async function planFailback(
  { home, away }: HomeClusters,
  wanted: FailbackWish,
  context: ToolContext,
): Promise<Failback> {
  const there = await readRestoreTarget(home, context.signal);
  const [{ candidates, leftOut }, common] = await Promise.all([
    candidatesOf({ home, away }, wanted.guests, context),
    commonStorages(away, home),
  ]);
  const storage = common.find(
    ({ source }) => wanted.backup_storage === undefined || source === wanted.backup_storage,
  );
  const looked = await pooled(candidates, async ({ guest, originalVmid }) =>
    lookedAt(away, home, there, guest, originalVmid),
  );
  const ordered = looked.sort((a, b) => byStartup(rankOf(a), rankOf(b)));
  const room = new Room(there.inventory, {
    node: wanted.target_node,
    storage: wanted.storage,
    defaultStorage: home.settings.defaultStorage,
  });
  const vmids = await vmidsAtHome(there, ordered, wanted.replace);
  const placed = ordered.map((one) => placedAtHome(one, { there, room, wanted, storage, vmids }));
  const guests = placed.filter((one): one is Homecomer => 'wish' in one);
  return {
    home,
    away,
    storage,
    guests,
    leftOut: [...leftOut, ...placed.filter((one): one is LeftOut => 'why' in one)],
    findings: sorted([
      ...storageFindings({ home, away }, common, storage, wanted),
      ...originalFindings(home, looked),
      ...(storage !== undefined && guests.length === 0
        ? [blocks('No guest can go home.', 'Those that are left out say why.')]
        : []),
    ]),
  };
}

export interface Looked {
  guest: GuestRow;
  live: LiveState;
  saved: SavedConfig;
  original: { row: GuestRow; live: LiveState; isProtected: boolean } | undefined;
  /** Its VMID at home is another guest's by now. */
  originalVmid: number | undefined;
}

async function lookedAt(
  away: GatedCluster,
  home: GatedCluster,
  { inventory }: RestoreTarget,
  guest: GuestRow,
  originalVmid: number | undefined,
): Promise<Looked> {
  const target = targetOf(away, guest);
  const row = inventory.guests.find(({ name }) => name !== undefined && name === guest.name);
  const [live, { values }, original] = await Promise.all([
    liveState(target),
    readConfig(target),
    row === undefined ? undefined : originalOf(home, row),
  ]);
  return { guest, live, saved: savedOf(values), original, originalVmid };
}

async function originalOf(home: GatedCluster, row: GuestRow) {
  const target = targetOf(home, row);
  const [live, { values }] = await Promise.all([liveState(target), readConfig(target)]);
  return { row, live, isProtected: isTrue(values.protection) };
}

/** The configuration as its backup will hold it. */
function savedOf(values: Readonly<Record<string, unknown>>): SavedConfig {
  const { description, digest: _digest, ...rest } = values;
  const options = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, String(value)]));
  return { options, description: String(description ?? '') };
}

function rankOf({ guest, saved }: Looked) {
  const { options } = saved;
  return { vmid: guest.vmid, startup: startupOf(options.startup), onboot: options.onboot === '1' };
}

/** That of its original where this is replaced, the old one where that is free, or the next free one. */
async function vmidsAtHome(
  there: RestoreTarget,
  guests: readonly Looked[],
  replace: boolean,
): Promise<Map<number, number>> {
  const taken = new Set(there.inventory.guests.map(({ vmid }) => vmid));
  const { data } = await there.cluster.request({ method: 'GET', path: apiPath`/cluster/nextid` });
  let next = Number(data);
  const wantedBy = guests.map(({ original, originalVmid, guest }) =>
    replace && original !== undefined ? original.row.vmid : (originalVmid ?? guest.vmid),
  );
  return new Map(
    guests.map(({ guest, original }, index) => {
      const own = wantedBy[index] ?? guest.vmid;
      const isReplaced = replace && original !== undefined;
      if (isReplaced || !taken.has(own)) {
        taken.add(own);
        return [guest.vmid, own];
      }
      while (taken.has(next) || wantedBy.includes(next)) next += 1;
      taken.add(next);
      return [guest.vmid, next];
    }),
  );
}

interface Placing {
  there: RestoreTarget;
  room: Room;
  wanted: FailbackWish;
  storage: CommonStorage | undefined;
  vmids: ReadonlyMap<number, number>;
}

function placedAtHome(one: Looked, { there, room, wanted, storage, vmids }: Placing): Homecomer | LeftOut {
  const { guest, live, saved, original } = one;
  const about = { vmid: guest.vmid, name: guest.name };
  const why = whyNot(one, storage, wanted.replace);
  if (why !== undefined || storage === undefined)
    return { ...about, why: why ?? 'there is no common storage' };
  const isReplaced = wanted.replace && original !== undefined;
  const vmid = vmids.get(guest.vmid) ?? guest.vmid;
  const starts = wanted.start && live.state !== 'stopped';
  const disks = savedDisks(saved, guest.type);
  const place = room.place({
    vmid,
    type: guest.type,
    cores: coresOf(saved, guest.type),
    memBytes: starts ? memoryOf(saved) : 0,
    diskBytes: bytesOf(disks),
    wereOn: disks.map((disk) => disk.storage),
    nodes: storage.targetNodes,
  });
  if ('why' in place) return { ...about, why: `it does not fit: ${place.why}` };
  const judged = restorePlan(isReplaced ? without(there, original.row) : there, {
    ...{ saved, vmid, ...place, start: starts, bridgeMap: wanted.bridge_map },
    point: expected(guest, storage, place.node),
  });
  const blocking = blockers(judged.findings);
  if (blocking.length > 0)
    return { ...about, why: blocking.map(({ what, do: advice }) => `${what} ${advice}`).join(' ') };
  return {
    guest,
    live,
    upSeconds: startupOf(saved.options.startup).upSeconds,
    findings: judged.findings,
    wish: {
      vmid,
      ...place,
      bridges: judged.bridges,
      start: starts,
      replace: isReplaced,
      ...compact({ original: original && namedOf(original.row) }),
    },
  };
}

function namedOf({ vmid, name = '', node, type }: GuestRow) {
  return { vmid, name, node, type };
}

function without(there: RestoreTarget, { vmid }: GuestRow): RestoreTarget {
  const { inventory } = there;
  return {
    ...there,
    inventory: { ...inventory, guests: inventory.guests.filter((guest) => guest.vmid !== vmid) },
  };
}

/** The backup that is about to be made. */
function expected({ vmid, type }: GuestRow, storage: CommonStorage, node: string): RestorePoint {
  return {
    volid: `${storage.target}:backup/vzdump-${type}-${vmid}-newest`,
    ...{ storage: storage.target, node, vmid, type, shared: true, madeAt: 0, protected: false },
    ...{
      bytes: undefined,
      format: undefined,
      notes: undefined,
      verification: undefined,
      encrypted: undefined,
    },
  };
}

/** The path of a guest that is remembered. */
export function pathOf(
  { node, type, vmid }: { node: string; type: string; vmid: number },
  ...below: string[]
): ApiPath {
  return ApiPath.ofSegments(['nodes', node, type, String(vmid), ...below]);
}

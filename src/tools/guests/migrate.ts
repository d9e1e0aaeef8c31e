import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { isObject, isTrue } from '../../catalogue/json.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import type { ApiCall } from '../define.ts';
import { someOf } from '../fleet.ts';
import { LIVE_CALLS, type LiveState, liveState } from '../guest-live.ts';
import type { GuestTarget } from '../guest-target.ts';
import { notNow } from '../refusals.ts';
import { compact, rowsOf, textOf } from '../results.ts';

export interface MigrationWish {
  target: string;
  restart?: boolean | undefined;
  target_storage?: string | undefined;
}

/** The task of a guest under HA ends long before the guest is there. */
export const BY_HA_NOTE = 'HA was asked, and will move it; get_guest shows when it is there.';

/** What is to be sent, or that the guest is there. `copies`: disks that only its node has, and that are copied. */
export type MigrationPlan =
  | { request: GateRequest; copies: readonly string[]; byHa: boolean }
  | { already: string };

/** Containers have no method that tells what is in the way before Proxmox VE 9.1; the task says it. */
export const MIGRATION_CALLS: readonly ApiCall[] = [
  ['POST', '/nodes/{node}/qemu/{vmid}/migrate', 'target', 'online', 'with-local-disks', 'targetstorage'],
  ['POST', '/nodes/{node}/lxc/{vmid}/migrate', 'target', 'restart', 'target-storage'],
  ['GET', '/nodes/{node}/qemu/{vmid}/migrate', 'target'],
  ['GET', '/cluster/resources'],
  ...LIVE_CALLS,
];

/**
 * Finds out whether and how a guest can go to a node.
 *
 * @throws CallError NOT_FOUND for a node that is not there; CONFLICT with what keeps the guest where it is
 */
export async function planMigration(target: GuestTarget, wish: MigrationWish): Promise<MigrationPlan> {
  const { guest, cluster } = target;
  if (guest.node === wish.target) return { already: wish.target };
  await checkNode(cluster, wish.target);
  return guest.type === 'qemu' ? planVm(target, wish) : planContainer(target, wish);
}

/** @throws CallError NOT_FOUND where the cluster has no such node; CONFLICT where it is offline */
export async function checkNode(cluster: GatedCluster, wanted: string): Promise<void> {
  const { nodes } = await cluster.inventory();
  const found = nodes.find(({ node }) => node === wanted);
  if (found === undefined) {
    throw new CallError('NOT_FOUND', `${cluster.name} has no node ${JSON.stringify(wanted)}.`, {
      cluster: cluster.name,
      hint: `Its nodes are: ${someOf(nodes.map(({ node }) => node))}. Nothing was sent.`,
    });
  }
  if (found.status === 'offline')
    throw notNow(cluster, `${quoted(wanted)} is offline.`, 'Choose another node.');
}

async function planVm(target: GuestTarget, wish: MigrationWish): Promise<MigrationPlan> {
  const { cluster, at } = target;
  const [live, { data }] = await Promise.all([
    liveState(target),
    cluster.request({ method: 'GET', path: at('migrate'), data: { target: wish.target } }),
  ]);
  const facts = isObject(data) ? data : {};
  checkFacts(target, facts, wish);
  const runs = live.state === 'running' || live.state === 'paused';
  const local = rowsOf(facts.local_disks).filter((disk) => !isTrue(disk.is_unused) && !isTrue(disk.cdrom));
  const copies = local.flatMap(({ volid }) => textOf(volid) ?? []);
  const options = compact({
    target: wish.target,
    online: runs ? true : undefined,
    'with-local-disks': runs && copies.length > 0 ? true : undefined,
    targetstorage: wish.target_storage,
  });
  return planned(target, live, options, copies);
}

/** @throws CallError CONFLICT with everything that is in the way, as far as Proxmox tells beforehand */
function checkFacts(
  { cluster, guest }: GuestTarget,
  facts: Readonly<Record<string, unknown>>,
  { target, target_storage }: MigrationWish,
): void {
  const devices = texts(facts.local_resources);
  if (devices.length > 0) {
    const why = `VM ${guest.vmid} uses devices of its node: ${someOf(devices)}.`;
    throw notNow(cluster, why, 'Take them off first, or pass them through by a mapping.');
  }
  const discs = rowsOf(facts.local_disks).filter((disk) => isTrue(disk.cdrom));
  if (discs.length > 0) {
    const names = someOf(discs.flatMap(({ volid }) => textOf(volid) ?? []).map(quoted));
    throw notNow(
      cluster,
      `VM ${guest.vmid} has a disc of its node in a drive: ${names}.`,
      "Eject it: update_guest disks=[{id, iso: 'none'}].",
    );
  }
  const refused = isObject(facts.not_allowed_nodes) ? facts.not_allowed_nodes[target] : undefined;
  if (!isObject(refused)) return;
  const storages = texts(refused.unavailable_storages);
  if (storages.length > 0 && target_storage === undefined) {
    throw notNow(
      cluster,
      `${quoted(target)} lacks the storage ${someOf(storages.map(quoted))}.`,
      'Pass target_storage, or choose another node.',
    );
  }
  const resources = [...texts(refused['unavailable-resources']), ...texts(refused.unavailable_resources)];
  if (resources.length > 0) {
    throw notNow(
      cluster,
      `${quoted(target)} lacks the mapped devices ${someOf(resources.map(quoted))}.`,
      'Choose another node.',
    );
  }
  const blocking = rowsOf(refused['blocking-ha-resources']).flatMap(({ sid }) => textOf(sid) ?? []);
  if (blocking.length > 0) {
    throw notNow(
      cluster,
      `Rules of HA keep it from ${quoted(target)}: ${someOf(blocking.map(quoted))}.`,
      'Choose another node, or change the rules.',
    );
  }
}

async function planContainer(target: GuestTarget, wish: MigrationWish): Promise<MigrationPlan> {
  const live = await liveState(target);
  const runs = live.state === 'running';
  if (runs && wish.restart !== true) {
    const why = `Container ${target.guest.vmid} is running, and containers can't move live.`;
    throw notNow(target.cluster, why, 'Pass restart=true to have it shut down, moved and started.');
  }
  const options = compact({
    target: wish.target,
    restart: runs ? true : undefined,
    'target-storage': wish.target_storage,
  });
  return planned(target, live, options, []);
}

function planned(
  { at }: GuestTarget,
  live: LiveState,
  data: Readonly<Record<string, unknown>>,
  copies: readonly string[],
): MigrationPlan {
  return { request: { method: 'POST', path: at('migrate'), data }, copies, byHa: live.isHa };
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

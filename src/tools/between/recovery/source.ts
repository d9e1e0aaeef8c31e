import type { GatedCluster } from '../../../access/gate.ts';
import type { GuestRow, Inventory } from '../../../clusters/inventory.ts';
import { type CallError, type ErrorCode, toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { compact } from '../../results.ts';
import { commonStorages } from '../backup/common-storage.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import { type Kept, type KnownGuest, type KnownStorage, keepPlan, keptPlan } from './kept.ts';

/** What says that nobody answers. A cluster that refuses does answer, and is none to fail over. */
const SILENT: readonly ErrorCode[] = ['CLUSTER_UNREACHABLE', 'TIMEOUT'];

/** What is known of the cluster that fails over. */
export interface SourceView {
  /** What it holds now; undefined where it does not answer. */
  live: Inventory | undefined;
  /** Its guests; undefined where nobody remembers them, and the backups alone tell. */
  guests: readonly KnownGuest[] | undefined;
  /** When it told of them, in epoch milliseconds. */
  asOf?: number;
  /** Where its backups are, by their ids on the target. */
  storages: readonly KnownStorage[];
  findings: Finding[];
}

/**
 * Asks the cluster what it has, and remembers that for the day on which it is down; on that day, tells what was
 * remembered.
 *
 * @param storage on the target, where the caller says where the backups are
 * @throws CallError where the cluster answers, and refuses
 */
export async function readSource(
  source: GatedCluster,
  target: GatedCluster,
  storage: string | undefined,
  context: ToolContext,
): Promise<SourceView> {
  const live = await inventoryIfUp(source, context.signal);
  const before = keptPlan(context, source.name, target.name);
  if (live === undefined) return fromMemory(source, target, storage, before);
  const guests = guestsOf(live, before);
  const { storages, problem } = await storagesOf(source, target, context.signal);
  // What could not be read must not take the place of what could.
  if (problem === undefined)
    await keepPlan(context, source.name, target.name, { asOf: live.asOf, guests, storages });
  const findings = [...storageFindings({ source, target, storages, storage, problem })];
  return { live, guests, asOf: live.asOf, storages: chosen(storages, storage), findings };
}

/** @returns undefined where the cluster does not answer. @throws CallError where it answers otherwise */
async function inventoryIfUp(cluster: GatedCluster, signal: AbortSignal): Promise<Inventory | undefined> {
  try {
    return await cluster.inventory({ fresh: true, signal });
  } catch (thrown) {
    signal.throwIfAborted();
    if (SILENT.includes(toCallError(thrown).code)) return undefined;
    throw thrown;
  }
}

function fromMemory(
  source: GatedCluster,
  target: GatedCluster,
  storage: string | undefined,
  before: Kept | undefined,
): SourceView {
  const storages = chosen(before?.storages ?? [], storage);
  const lost = warns(
    `${source.name} does not answer, and no earlier failover_plan of this caller remembers its guests: what backups there are is all that tells. Pools, and whether a guest still existed or ran, are not known.`,
    'Look through the list; leave_out takes guests out of it.',
  );
  const unknown = blocks(
    `${source.name} does not answer, and no earlier failover_plan remembers which storage of ${target.name} holds its backups.`,
    'Pass `backup_storage`: list_storage with content=backup shows them.',
  );
  return {
    live: undefined,
    guests: before?.guests,
    ...(before === undefined ? {} : { asOf: before.asOf }),
    storages,
    findings: [...(before === undefined ? [lost] : []), ...(storages.length === 0 ? [unknown] : [])],
  };
}

/** Templates never run, and nobody fails over to one. */
function guestsOf(live: Inventory, before: Kept | undefined): KnownGuest[] {
  const guests = live.guests.filter(({ template }) => !template);
  // All are down: that tells of a shutdown, and not of what a guest is for.
  const isAtWork = guests.some(({ status }) => status === 'running');
  return guests
    .map((guest) => knownOf(guest, isAtWork ? guest.status === 'running' : ranBefore(guest, before)))
    .sort((a, b) => a.vmid - b.vmid);
}

function ranBefore({ vmid, name }: GuestRow, before: Kept | undefined): boolean | undefined {
  return before?.guests.find((guest) => guest.vmid === vmid && guest.name === name)?.ran;
}

function knownOf({ vmid, name, type, node, pool, tags, haState }: GuestRow, ran: boolean | undefined) {
  const isHa = haState === undefined ? undefined : true;
  return { vmid, type, tags: [...tags], ...compact({ name, node, pool, isHa, ran }) };
}

async function storagesOf(
  source: GatedCluster,
  target: GatedCluster,
  signal: AbortSignal,
): Promise<{ storages: KnownStorage[]; problem?: CallError }> {
  try {
    const common = await commonStorages(source, target);
    return {
      storages: common.map(({ source: id, target: there, backend }) => ({
        source: id,
        target: there,
        backend,
      })),
    };
  } catch (thrown) {
    signal.throwIfAborted();
    return { storages: [], problem: toCallError(thrown) };
  }
}

interface StorageFacts {
  source: GatedCluster;
  target: GatedCluster;
  storages: readonly KnownStorage[];
  storage: string | undefined;
  problem: CallError | undefined;
}

function storageFindings({ source, target, storages, storage, problem }: StorageFacts): Finding[] {
  const isCommon = storages.some((one) => one.target === storage);
  if (storage !== undefined && !isCommon)
    return [
      warns(
        `As far as their definitions tell, ${quoted(storage)} of ${target.name} is no storage that ${source.name} writes to.`,
        `Check that the backups of ${source.name} do arrive there, as by a sync of PBS.`,
      ),
    ];
  if (storages.length > 0 || storage !== undefined) return [];
  if (problem !== undefined)
    return [
      blocks(
        `Which storage both clusters see could not be read: ${problem.message}`,
        `${problem.hint} Or pass \`backup_storage\`.`,
      ),
    ];
  return [
    blocks(
      `${source.name} and ${target.name} see no common storage for backups.`,
      'Give both an NFS export or a Proxmox Backup Server (create_storage), or pass as `backup_storage` the one of the target to which the backups are synced.',
    ),
  ];
}

function chosen(storages: readonly KnownStorage[], storage: string | undefined): readonly KnownStorage[] {
  if (storage === undefined) return storages;
  const found = storages.filter((one) => one.target === storage);
  return found.length > 0 ? found : [{ source: '', target: storage, backend: 'named in the call' }];
}

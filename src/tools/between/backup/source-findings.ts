import { mayAllocate } from '../../../access/storage-sight.ts';
import type { StorageRow } from '../../../clusters/inventory.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { type LiveState, liveState } from '../../guest-live.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { inWords } from '../../size.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import type { CommonStorage } from './common-storage.ts';
import { freeBytes } from './restore-target.ts';
import { lacking, type Need } from './rights.ts';

interface Asked {
  start: boolean;
  stopSource: boolean;
  /** Undefined where the clusters share none. */
  storage: CommonStorage | undefined;
  /** Of the disks; undefined where not known. */
  bytes: number | undefined;
}

/** What speaks against backing a guest up now, and against starting its copy. @throws CallError */
export async function sourceFindings(source: GuestTarget, asked: Asked): Promise<Finding[]> {
  const { cluster, guest } = source;
  const [live, permissions, inventory] = await Promise.all([
    liveState(source),
    cluster.permissions().catch(() => undefined),
    cluster.inventory(),
  ]);
  const id = asked.storage?.source;
  const row = inventory.storages.find(({ storage, node }) => storage === id && node === guest.node);
  const needs: Need[] = [
    ['VM.Backup', `/vms/${guest.vmid}`],
    ...(id === undefined ? [] : [['Datastore.AllocateSpace', `/storage/${id}`] as Need]),
    ...(asked.stopSource && live.state !== 'stopped' ? [['VM.PowerMgmt', `/vms/${guest.vmid}`] as Need] : []),
  ];
  return [
    ...stateFindings(source, live, asked),
    ...lacking(cluster, permissions, needs),
    ...(asked.storage === undefined ? [] : storageFindings(source, asked.storage, row, asked.bytes)),
    ...(id !== undefined && permissions !== undefined && !mayAllocate(id, permissions)
      ? [
          warns(
            `On ${quoted(id)} the token of ${cluster.name} sees the backups of guests it has VM.Backup on, and no others.`,
            'Nothing has to be done for this guest.',
          ),
        ]
      : []),
  ];
}

function stateFindings(
  { cluster, guest }: GuestTarget,
  live: LiveState,
  { start, stopSource }: Asked,
): Finding[] {
  const { state, lock, isTemplate, isHa } = live;
  const isUp = state === 'running' || state === 'paused';
  return [
    ...(cluster.settings.readOnly
      ? [
          blocks(
            `${cluster.name} is read-only here: no backup can be made.`,
            'Restore one that is there (volid).',
          ),
        ]
      : []),
    ...(lock === undefined || state === 'hibernated'
      ? []
      : [blocks(`The guest is locked (${quoted(lock)}).`, 'Wait for what works on it (list_tasks).')]),
    ...(state === 'paused' && stopSource
      ? [blocks('The guest is paused and does not shut down.', 'Resume it first (power_guest resume).')]
      : []),
    ...(state === 'hibernated'
      ? [
          blocks(
            'The guest is hibernated, which locks it, and its saved memory would not come along.',
            'Resume it first (power_guest), and shut it down where it is to move.',
          ),
        ]
      : []),
    ...(isTemplate
      ? [warns('The guest is a template; its copy will be an ordinary guest.', 'Convert it there.')]
      : []),
    ...(start && isUp && !stopSource ? [bothRunning(state)] : []),
    ...(isHa
      ? [
          warns(
            `The guest is under HA on ${cluster.name}; HA does not come along${stopSource ? ', and keeps it stopped' : ''}.`,
            'save_ha_resource on the target adds it there; delete_ha_resource ends it here.',
          ),
        ]
      : []),
    ...(guest.pool === undefined
      ? []
      : [warns(`Its pool ${quoted(guest.pool)} does not come along.`, 'save_pool adds the copy to one.')]),
  ];
}

/** Two guests with one identity on the network damage each other's data. */
function bothRunning(state: string): Finding {
  return blocks(
    `The source is ${state}, and the copy may not run beside it.`,
    'Pass stop_source: true for a move, or start: false for a stopped copy.',
  );
}

function storageFindings(
  { cluster, guest }: GuestTarget,
  { source, sourceNodes, backend }: CommonStorage,
  row: StorageRow | undefined,
  bytes: number | undefined,
): Finding[] {
  if (!sourceNodes.includes(guest.node)) {
    return [
      blocks(
        `${quoted(source)} (${quoted(backend)}) can't be used on ${quoted(guest.node)} of ${cluster.name} now; it is on ${someOf(sourceNodes) || 'no node that is seen'}.`,
        'Repair it there (get_storage), or migrate the guest to one of these nodes.',
      ),
    ];
  }
  const free = row === undefined ? undefined : freeBytes(row);
  if (bytes === undefined || free === undefined || bytes <= free) return [];
  return [
    warns(
      `Its disks have ${inWords(bytes)}, and ${quoted(source)} has ${inWords(free)} free; the backup is smaller than that, by how much is not known.`,
      'Make room (prune_backups), or see whether it fits.',
    ),
  ];
}

import type { GatedCluster } from '../../../access/gate.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import type { LiveState } from '../../guest-live.ts';
import type { CommonStorage } from '../backup/common-storage.ts';
import { blocks, type Finding } from '../finding.ts';
import type { FailbackWish, HomeClusters, Looked } from './failback-plan.ts';
import { labelOf } from './plan-findings.ts';

/** What keeps a guest where it is; undefined where nothing does. */
export function whyNot(
  { guest, live, saved, original }: Looked,
  storage: CommonStorage | undefined,
  replace: boolean,
) {
  if (guest.template) return 'it is a template';
  if (live.isHa) return 'HA manages it: take it out of HA first (remove_ha_resource)';
  if (live.lock !== undefined) return `it is locked (${quoted(live.lock)})`;
  if (storage !== undefined && !storage.sourceNodes.includes(guest.node))
    return `its node ${quoted(guest.node)} can't use the storage ${quoted(storage.source)} now`;
  const left = Object.entries(saved.options).filter(
    ([key, value]) => /^(?:scsi|virtio|sata|ide)\d+$/.test(key) && /(?:^|,)backup=0/.test(value),
  );
  if (left.length > 0)
    return `${left.map(([key]) => key).join(', ')} is left out of backups, and would be lost: include it first (update_guest disks backup: true)`;
  if (!replace || original === undefined) return undefined;
  if (original.isProtected)
    return `its original ${original.row.vmid} is protected: take its protection away, or leave replace out`;
  return original.live.isHa
    ? `HA manages its original ${original.row.vmid}: take it out of HA first`
    : undefined;
}

export function storageFindings(
  { home, away }: HomeClusters,
  common: readonly CommonStorage[],
  storage: CommonStorage | undefined,
  { backup_storage: named }: FailbackWish,
): Finding[] {
  if (storage !== undefined) return [];
  const known = someOf(common.map(({ source }) => quoted(source))) || 'none';
  return [
    named === undefined
      ? blocks(
          `${away.name} and ${home.name} see no common storage for backups.`,
          'Give both an NFS export or a Proxmox Backup Server (create_storage).',
        )
      : blocks(
          `${quoted(named)} of ${away.name} is no storage that ${home.name} sees, too.`,
          `These are: ${known}.`,
        ),
  ];
}

/** One that runs at home is the service itself: whoever comes home would be the second one. */
export function originalFindings(home: GatedCluster, looked: readonly Looked[]): Finding[] {
  const running = looked.flatMap(({ original }) =>
    original !== undefined && isUp(original.live) ? [original.row] : [],
  );
  if (running.length === 0) return [];
  return [
    blocks(
      `On ${home.name} ${someOf(running.map(labelOf), 30)} still run${running.length === 1 ? 's' : ''}.`,
      'Shut the originals down first (bulk_power), or name `guests` without them: two of one guest must never run.',
    ),
  ];
}

export function isUp({ state }: LiveState): boolean {
  return state === 'running' || state === 'paused';
}

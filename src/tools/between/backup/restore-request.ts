import type { GateRequest } from '../../../access/gate.ts';
import { ApiPath, apiPath } from '../../../proxmox/api-path.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { type SavedConfig, savedDisks, savedName } from '../../backups/guest-config.ts';
import type { AddressWords } from '../../cloudinit/cloudinit.ts';
import type { ApiCall } from '../../define.ts';
import { compact } from '../../results.ts';
import { sizeOf } from '../../size.ts';
import { blocks, type Finding, sorted } from '../finding.ts';
import { restoreFindings } from './restore-findings.ts';
import type { RestorePoint } from './restore-points.ts';
import { bridgesOf, proposedBridges, proposedStorage, type RestoreTarget } from './restore-target.ts';
import { settledOptions } from './restored-config.ts';

/** One of a series stands for all of it. */
const SETTLED = ['onboot', 'tags', 'description', 'net0'];

/** What restoring a guest on another cluster may send. */
export const RESTORE_CALLS = [
  ['POST', '/nodes/{node}/qemu', 'vmid', 'archive', 'storage', 'unique', 'name'],
  ['POST', '/nodes/{node}/lxc', 'vmid', 'ostemplate', 'restore', 'storage', 'unique', 'hostname'],
  ['PUT', '/nodes/{node}/qemu/{vmid}/config', ...SETTLED, 'ipconfig0', 'ide2', 'sata0', 'scsi0'],
  ['PUT', '/nodes/{node}/lxc/{vmid}/config', ...SETTLED],
  ['POST', '/nodes/{node}/qemu/{vmid}/status/start'],
  ['POST', '/nodes/{node}/lxc/{vmid}/status/start'],
] as const satisfies readonly ApiCall[];

/** A guest as it is to be on the cluster that restores it. */
export interface RestoreWish {
  point: RestorePoint;
  saved: SavedConfig;
  /** Has to be free: nothing is ever overwritten. */
  vmid: number;
  node: string;
  /** For all disks, as Proxmox takes but one; proposed where absent. */
  storage?: string | undefined;
  /** By the bridge that was saved; proposed for those that are not in it. */
  bridgeMap?: Readonly<Record<string, string>> | undefined;
  /** Of the NICs, by cloud-init for a VM; as saved where absent. */
  addresses?: readonly AddressWords[] | undefined;
  /** As saved where absent. */
  name?: string | undefined;
  /** Whether the requests end with a start; without it `onboot` is taken back, too. */
  start: boolean;
  /** Further options to set, such as tags and description. */
  config?: Readonly<Record<string, string | number>> | undefined;
}

export interface RestorePlan {
  guest: { vmid: number; name?: string; type: 'qemu' | 'lxc'; node: string };
  /** Undefined where none fits; then a finding blocks. */
  storage: string | undefined;
  bridges: Record<string, string>;
  /** What the disks may take, in bytes; undefined where the backup does not tell. */
  bytes: number | undefined;
  /** Options that `settle` sets. */
  options: Readonly<Record<string, string | number>>;
  /** In this order. Nothing is overwritten, and the guest gets MAC addresses of its own. */
  steps: { restore: GateRequest; settle?: GateRequest; start?: GateRequest };
  /** What `restoreSteps` makes them of: for a run to keep. */
  values: RestoreValues;
  /** The steps as `approve` takes them. */
  requests: GateRequest[];
  findings: Finding[];
}

/** Works out what is to be sent, and all that speaks against it; asks the cluster nothing. */
export function restorePlan(target: RestoreTarget, wish: RestoreWish): RestorePlan {
  const { point, saved, vmid, node, start } = wish;
  const { type } = point;
  const disks = savedDisks(saved, type);
  const sizes = disks.map(({ size }) => (size === undefined ? undefined : sizeOf(size)));
  const bytes = sizes.some((size) => size === undefined)
    ? undefined
    : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const storage =
    wish.storage ?? proposedStorage(target, node, { type, bytes, wereOn: disks.map((disk) => disk.storage) });
  const bridges = proposedBridges(target, node, bridgesOf(saved), wish.bridgeMap);
  const name = wish.name ?? savedName(saved);
  const { options, problems } = optionsFor(wish, bridges);
  const guest = { vmid, ...compact({ name }), type, node };
  const values = { volid: point.volid, type, vmid, node, storage, name, options, start };
  const steps = restoreSteps(values);
  const findings = restoreFindings(target, { wish, guest, storage, bridges, bytes, options });
  return {
    guest,
    storage,
    bridges,
    bytes,
    options,
    steps,
    values,
    requests: [steps.restore, steps.settle, steps.start].filter((request) => request !== undefined),
    findings: sorted([...problems, ...findings]),
  };
}

/** What does not fit is a finding among the others. */
function optionsFor(
  { point: { type }, saved, addresses = [], start, config = {} }: RestoreWish,
  bridges: Record<string, string>,
): { options: Record<string, string | number>; problems: Finding[] } {
  try {
    return {
      options: settledOptions({ type, saved, bridges, addresses, start, config }),
      problems: [],
    };
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    return { options: {}, problems: [blocks(thrown.message, 'Correct the argument.')] };
  }
}

/** A restore in plain values, as a run can keep it. */
export interface RestoreValues {
  volid: string;
  type: 'qemu' | 'lxc';
  vmid: number;
  node: string;
  storage?: string | undefined;
  name?: string | undefined;
  /** That are set once it was restored; none where empty. */
  options: Readonly<Record<string, string | number>>;
  start: boolean;
}

/** What is sent for it, in this order. It never overwrites a guest. */
export function restoreSteps(values: RestoreValues): RestorePlan['steps'] {
  const { volid, type, vmid, node, storage, name, options, start } = values;
  const at = (...below: string[]) => ApiPath.ofSegments(['nodes', node, type, String(vmid), ...below]);
  const ofKind =
    type === 'qemu' ? { archive: volid, name } : { ostemplate: volid, restore: true, hostname: name };
  return {
    restore: {
      method: 'POST',
      path: apiPath`/nodes/${node}/${type}`,
      data: { vmid, ...ofKind, storage, unique: true },
    },
    ...(Object.keys(options).length === 0
      ? {}
      : { settle: { method: 'PUT', path: at('config'), data: options } }),
    ...(start ? { start: { method: 'POST', path: at('status', 'start') } } : {}),
  };
}

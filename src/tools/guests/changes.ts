import type { GatedCluster } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';
import { bridgeFor, storageFor } from '../defaults.ts';
import { type GuestConfig, isCdrom, VOLUME_KEY } from '../guest-config.ts';
import type { GuestTarget } from '../guest-target.ts';
import { propertyString, readProperties } from '../property-string.ts';
import { unfitting } from '../refusals.ts';
import { type Devices, deviceOptions } from './devices.ts';
import { type DiskWords, diskOptions } from './disks.ts';
import { type NicWords, nicOptions } from './nics.ts';
import { type Settings, settingOptions, VM_ALONE } from './settings.ts';
import { merged, refuseWords } from './words.ts';

type Value = string | number | boolean;

/** The arguments of update_guest that say what is to change. */
interface WantedChanges extends Settings, Devices {
  new_name?: string | undefined;
  nics?: readonly NicWords[] | undefined;
  disks?: readonly DiskWords[] | undefined;
  delete?: readonly string[] | undefined;
  revert?: readonly string[] | undefined;
  digest?: string | undefined;
}

/** What is to be sent, and which keys that changes; what is already so is left out. */
export async function changesOf(args: WantedChanges, target: GuestTarget, present: GuestConfig) {
  const { cluster, guest } = target;
  const { type, node } = guest;
  if (args.digest !== undefined && args.digest !== present.digest) throw changedMeanwhile(cluster.name);
  if (type === 'lxc') refuseWords({ ...args }, VM_ALONE, 'VMs alone have this');
  const { values } = present;
  const content = type === 'qemu' ? 'images' : 'rootdir';
  const storage = () => storageFor(cluster, usualStorage(cluster, values), { node, content });
  const wanted = merged<Value>(
    { ...settingOptions(type, args), ...agentOption(args.agent, values.agent) },
    args.new_name === undefined ? {} : { [type === 'qemu' ? 'name' : 'hostname']: args.new_name },
    deviceOptions(args, values),
    nicOptions(args.nics ?? [], { type, present: values, bridge: bridgeFor(cluster, undefined) }),
    await diskOptions(args.disks ?? [], { type, present: values, storage }),
  );
  if (values.efidisk0 !== undefined && wanted.efidisk0 !== undefined)
    throw unfitting('it has an EFI disk already');
  if (values.tpmstate0 !== undefined && wanted.tpmstate0 !== undefined)
    throw unfitting('it has a TPM already');
  const options = Object.fromEntries(
    Object.entries(wanted).filter(([key, value]) => !isSame(values[key], value)),
  );
  const removed = (args.delete ?? []).filter((key) => values[key] !== undefined);
  const changed = [...Object.keys(options), ...removed, ...(args.revert ?? [])];
  if (changed.length === 0 && Object.keys(wanted).length + (args.delete?.length ?? 0) === 0) {
    throw unfitting('nothing to change is given');
  }
  return { options, removed, changed };
}

/** Where the guest's first disk is, unless the operator says where disks go. */
function usualStorage({ settings }: GatedCluster, values: GuestConfig['values']): string | undefined {
  if (settings.defaultStorage !== undefined) return undefined;
  const disks = Object.entries(values).filter(([key, value]) => VOLUME_KEY.test(key) && !isCdrom(value));
  const [, first] = disks.find(([key]) => !key.startsWith('unused')) ?? [];
  return /^([^:,/]+):/.exec(String(first ?? ''))?.[1];
}

function isSame(now: unknown, wanted: Value): boolean {
  const text = typeof wanted === 'boolean' ? (wanted ? '1' : '0') : String(wanted);
  return now !== undefined && String(now).trimEnd() === text;
}

/** Whether a change holds a `local-lvm:32`, which makes a volume, and not only volumes that are there. */
export function makesVolume(options: Readonly<Record<string, Value>>): boolean {
  return Object.values(options).some((value) => /^[A-Za-z][\w.-]*:\d+(?:\.\d+)?(?:,|$)/.test(String(value)));
}

/** On or off, with what else is said of the agent left as it is. */
function agentOption(agent: boolean | undefined, present: unknown): Record<string, string> {
  if (agent === undefined) return {};
  const { options } = readProperties(typeof present === 'string' ? present : '');
  const others = [...options].filter(([key]) => key !== 'enabled').map(([key, value]) => `${key}=${value}`);
  return { agent: propertyString(agent ? '1' : '0', {}, others.join(',')) };
}

function changedMeanwhile(cluster: string): CallError {
  return new CallError('CONFLICT', 'The configuration was changed since this digest was read.', {
    cluster,
    hint: 'Read it again with get_guest and decide anew. Nothing was sent.',
    retryable: false,
  });
}

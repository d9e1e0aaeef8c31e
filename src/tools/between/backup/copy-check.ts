import type { GatedCluster } from '../../../access/gate.ts';
import { isObject } from '../../../catalogue/json.ts';
import { ApiPath } from '../../../proxmox/api-path.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { type SavedConfig, savedDisks } from '../../backups/guest-config.ts';
import { someOf } from '../../fleet.ts';
import { NIC_KEY } from '../../guest-config.ts';
import { readProperties } from '../../property-string.ts';
import { count, textOf } from '../../results.ts';
import type { RestoreValues } from './restore-request.ts';

export const COPY_CHECK_CALLS = [
  ['GET', '/nodes/{node}/qemu/{vmid}/config'],
  ['GET', '/nodes/{node}/lxc/{vmid}/config'],
] as const;

/**
 * Holds a restored guest against its backup: disks, NICs, cores, memory and what was set behind it.
 *
 * @returns what fits, and what does not, in words
 * @throws CallError where it can't be read
 */
export async function checkCopy(
  target: GatedCluster,
  { type, vmid, node, name, options }: RestoreValues,
  saved: SavedConfig,
): Promise<{ fits: string[]; differs: string[] }> {
  const now = await configOf(target, { type, vmid, node });
  const disks = savedDisks(saved, type).map(({ key }) => key);
  const lost = disks.filter((key) => now[key] === undefined);
  const nics = Object.keys(saved.options).filter((key) => NIC_KEY.test(key));
  const same = ['cores', 'sockets', 'memory'].filter((key) => saved.options[key] !== undefined);
  const differs = [
    ...(textOf(now.lock) === undefined ? [] : [`it is locked (${textOf(now.lock)})`]),
    ...(lost.length === 0 ? [] : [`its disks ${someOf(lost)} are not there`]),
    ...nics
      .filter((key) => bridgeIn(now[key]) !== bridgeIn(options[key] ?? saved.options[key]))
      .map((key) => `${key} is on ${bridgeIn(now[key]) ?? 'no bridge'}`),
    ...same
      .filter((key) => String(now[key]) !== saved.options[key])
      .map((key) => `${key} is ${String(now[key])}`),
    ...(name === undefined || (now.name ?? now.hostname) === name
      ? []
      : [`its name is ${String(now.name ?? now.hostname)}`]),
    ...['onboot']
      .filter((key) => options[key] !== undefined && String(now[key] ?? 0) !== String(options[key]))
      .map((key) => `${key} was not set`),
  ];
  const fits = [count(disks.length, 'disk'), `${count(nics.length, 'NIC')} on its bridges`, ...same];
  return { fits, differs };
}

/**
 * A VMID may be another guest's by now: nothing is set on one that is not the copy, and it is not started.
 *
 * @throws CallError CONFLICT
 */
export async function requireCopy(target: GatedCluster, values: RestoreValues): Promise<void> {
  const { vmid, name } = values;
  const now = await configOf(target, values);
  const found = textOf(now.name) ?? textOf(now.hostname);
  if (name === undefined || found === name) return;
  throw new CallError(
    'CONFLICT',
    `${vmid} of ${target.name} is ${found === undefined ? 'a guest without a name' : quoted(found)}, and not the copy ${quoted(name)}.`,
    {
      cluster: target.name,
      hint: 'It was left as it is. See what it is (get_guest); action=forget drops the rest of the work.',
      retryable: false,
    },
  );
}

/** Whether the options were set already, MAC addresses aside: Proxmox makes these. @throws CallError */
export async function isSettled(target: GatedCluster, values: RestoreValues): Promise<boolean> {
  const now = await configOf(target, values);
  return Object.entries(values.options).every(([key, wanted]) => {
    if (!NIC_KEY.test(key)) return String(now[key]) === String(wanted);
    const [has, wants] = [now[key], wanted].map((value) => readProperties(String(value)).options);
    return [...(wants ?? [])].every(([name, value]) => has?.get(name) === value);
  });
}

async function configOf(
  target: GatedCluster,
  { type, vmid, node }: Pick<RestoreValues, 'type' | 'vmid' | 'node'>,
): Promise<Readonly<Record<string, unknown>>> {
  const path = ApiPath.ofSegments(['nodes', node, type, String(vmid), 'config']);
  const { data } = await target.request({ method: 'GET', path });
  return isObject(data) ? data : {};
}

function bridgeIn(value: unknown): string | undefined {
  return typeof value === 'string' ? readProperties(value).options.get('bridge') : undefined;
}

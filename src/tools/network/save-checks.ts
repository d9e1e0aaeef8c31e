import type { Json } from '../../catalogue/json.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { addressProblem } from './addresses.ts';
import { portsOf, usersOf, vlanOf } from './interfaces.ts';

/** An interface as it will be, by the names of Proxmox. */
export type Wanted = Readonly<Record<string, unknown>> & { iface: string; type: string };

/**
 * Looks for what would cut off a node or its guests once it is applied, and for what Proxmox would refuse obscurely.
 *
 * @param raw the interfaces of the node as they are now
 * @returns what is wrong, as a sentence without its end; undefined where nothing is
 */
export function interfaceProblem(wanted: Wanted, raw: readonly Json[]): string | undefined {
  const others = raw.filter((row) => row.iface !== wanted.iface);
  const text = (name: string) => (wanted[name] === undefined ? undefined : String(wanted[name]));
  return (
    addressProblem(text('cidr'), text('gateway'), 'ipv4') ??
    addressProblem(text('cidr6'), text('gateway6'), 'ipv6') ??
    gatewayProblem(wanted, others) ??
    duplicateProblem(wanted, others) ??
    portProblem(wanted, others) ??
    vlanProblem(wanted, others) ??
    bondProblem(wanted)
  );
}

function gatewayProblem(wanted: Wanted, others: readonly Json[]): string | undefined {
  const name = (['gateway', 'gateway6'] as const).find(
    (key) => wanted[key] !== undefined && others.some((row) => row[key] !== undefined),
  );
  if (name === undefined) return undefined;
  const holder = others.find((row) => row[name] !== undefined);
  return `a node has one default gateway, and ${String(holder?.iface)} has it (${name} ${String(holder?.[name])})`;
}

function duplicateProblem(wanted: Wanted, others: readonly Json[]): string | undefined {
  for (const name of ['cidr', 'cidr6'] as const) {
    const address = String(wanted[name] ?? '').split('/')[0];
    const holder = others.find((row) => address !== '' && String(row[name] ?? '').split('/')[0] === address);
    if (holder !== undefined) return `${String(holder.iface)} has the address ${String(address)} already`;
  }
  return undefined;
}

function portProblem(wanted: Wanted, others: readonly Json[]): string | undefined {
  for (const port of portsOf(wanted)) {
    if (port === wanted.iface) return `${port} can't be its own port`;
    const row = others.find((one) => one.iface === port);
    const parent = /^(.+)\.\d+$/.exec(port)?.[1];
    if (row === undefined && !others.some((one) => one.iface === parent)) {
      const free = others
        .filter(({ type }) => type === 'eth' || type === 'bond')
        .map(({ iface }) => String(iface));
      return `the node has no interface ${inQuotes(port)} to be a port; it has ${someOf(free, 30) || 'none'}`;
    }
    if (row?.type === 'bridge') return `${port} is a bridge, which can't be a port`;
    const holder = usersOf(
      others.filter(({ type }) => type !== 'vlan'),
      port,
    )[0];
    if (holder !== undefined) return `${port} is a port of ${holder} already`;
    const address = row?.cidr ?? row?.cidr6;
    if (address !== undefined) {
      return `${port} has the address ${String(address)}: the port of a bridge or bond has none; give the address to ${wanted.iface}`;
    }
  }
  return undefined;
}

function vlanProblem(wanted: Wanted, others: readonly Json[]): string | undefined {
  if (wanted.type !== 'vlan') return undefined;
  const vlan = vlanOf(wanted);
  if (vlan === undefined) {
    return 'a VLAN needs its device and its tag: name it like eno1.20, or pass vlan_device and vlan_id';
  }
  if (vlan.id < 1 || vlan.id > 4094) return `the VLAN tag is ${vlan.id}: it must be between 1 and 4094`;
  if (!others.some(({ iface }) => iface === vlan.device)) {
    return `the node has no interface ${inQuotes(vlan.device)} for the VLAN`;
  }
  const twin = others.find((row) => {
    const other = vlanOf(row);
    return other?.device === vlan.device && other.id === vlan.id;
  });
  return twin === undefined
    ? undefined
    : `${String(twin.iface)} is VLAN ${vlan.id} of ${vlan.device} already`;
}

function bondProblem(wanted: Wanted): string | undefined {
  if (wanted.type !== 'bond') return undefined;
  const slaves = portsOf(wanted);
  if (slaves.length === 0) return 'a bond needs `ports`';
  const primary = wanted['bond-primary'];
  if (primary !== undefined && wanted.bond_mode !== 'active-backup') {
    return 'bond_primary goes with bond_mode active-backup alone';
  }
  return primary === undefined || slaves.includes(String(primary))
    ? undefined
    : `bond_primary ${String(primary)} is none of its ports`;
}

import { failure } from '../errors.ts';
import { cloudinitOptions, type Guest, type GuestType, guestName } from '../state/guest.ts';
import { declare } from './declare.ts';
import { refuseLocked } from './guest-work.ts';
import { type Call, guestOf, type Method, node, onGuest, text, vmid } from './method.ts';

const HIDDEN = '**********';
const shown = (key: string, value: string | number): string | number => {
  return key === 'cipassword' ? HIDDEN : value;
};

/** What the drive was generated from, against what it would be generated from now. */
function compare(call: Call): unknown {
  const guest = guestOf(call, 'qemu');
  const next = cloudinitOptions(guest);
  const present = guest.cloudinit ?? next;
  const keys = [...new Set([...Object.keys(present), ...Object.keys(next)])].sort();
  return keys.map((key) => {
    const [old, wanted] = [present[key], next[key]];
    const changed = wanted !== undefined && wanted !== old ? { pending: shown(key, wanted) } : {};
    return {
      key,
      ...(old === undefined ? {} : { value: shown(key, old) }),
      ...(wanted === undefined ? { delete: 1 } : changed),
    };
  });
}

function requireSeedDrive({ config }: Guest): void {
  const found = Object.values(config).some((value) => /-cloudinit[.,]|-cloudinit$/.test(String(value)));
  if (!found) throw failure('no cloud-init drive found');
}

function regenerate(call: Call): null {
  const guest = guestOf(call, 'qemu');
  refuseLocked(guest);
  requireSeedDrive(guest);
  guest.cloudinit = cloudinitOptions(guest);
  return null;
}

function dump(call: Call): string {
  const guest = guestOf(call, 'qemu');
  const { config } = guest;
  switch (text(call, 'type')) {
    case 'meta':
      return `instance-id: simulated-${guest.vmid}\n`;
    case 'network':
      return networkOf(guest);
    default:
      return [
        '#cloud-config',
        `hostname: ${guestName(guest)}`,
        'manage_etc_hosts: true',
        ...(config.ciuser === undefined ? [] : [`user: ${config.ciuser}`]),
        ...(config.cipassword === undefined ? [] : ['password: $5$simulated']),
        ...(config.sshkeys === undefined
          ? []
          : ['ssh_authorized_keys:', `  - ${decodeURIComponent(String(config.sshkeys)).trim()}`]),
        `package_upgrade: ${config.ciupgrade === 0 ? 'false' : 'true'}`,
        '',
      ].join('\n');
  }
}

function networkOf({ config }: Guest): string {
  const cards = Object.keys(config).filter((key) => /^net\d+$/.test(key));
  const lines = cards.flatMap((key, index) => {
    const address = /ip=([^,]+)/.exec(String(config[`ipconfig${key.slice(3)}`] ?? 'ip=dhcp'))?.[1] ?? 'dhcp';
    const subnet =
      address === 'dhcp' ? ['    - type: dhcp4'] : ['    - type: static', `      address: '${address}'`];
    return ['  - type: physical', `    name: eth${index}`, '    subnets:', ...subnet];
  });
  return ['version: 1', 'config:', ...lines, ''].join('\n');
}

/** The drive a VM configures itself from at its first start. */
export function cloudinitMethods(type: GuestType): Method[] {
  if (type !== 'qemu') return [];
  const path = '/nodes/{node}/qemu/{vmid}/cloudinit';
  const kind = { type: 'string', enum: ['user', 'network', 'meta'] } as const;
  return [
    declare('GET', path, onGuest('VM.Audit'), { node, vmid }, compare),
    declare('PUT', path, onGuest('VM.Config.Cloudinit'), { node, vmid }, regenerate),
    declare('GET', `${path}/dump`, onGuest('VM.Audit'), { node, vmid, type: kind }, dump),
  ];
}

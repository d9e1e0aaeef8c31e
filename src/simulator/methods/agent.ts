import { failure } from '../errors.ts';
import { type Guest, type GuestType, guestName, stopGuest } from '../state/guest.ts';
import { insideOf, KERNEL } from '../state/inside.ts';
import { GIB, MIB } from '../state/sizes.ts';
import { drives } from '../state/volumes.ts';
import { declare } from './declare.ts';
import { type Call, guestOf, index, type Method, node, onGuest, text, vmid } from './method.ts';

/** What an agent still does while the file systems are frozen: nothing that may write. */
const WHILE_FROZEN: readonly string[] = ['info', 'ping', 'fsfreeze-status', 'fsfreeze-thaw'];

/** A VM whose guest agent is set up and answers. @param command what it is asked for */
export function requireAgent(call: Call, command = 'exec'): Guest {
  const guest = guestOf(call, 'qemu');
  if (!/^(enabled=)?1/.test(String(guest.config.agent ?? '0'))) {
    throw failure('No QEMU guest agent configured');
  }
  if (guest.status !== 'running') throw failure(`VM ${guest.vmid} is not running`);
  if (guest.paused) throw failure('QEMU guest agent is not running');
  if (insideOf(guest).frozen && !WHILE_FROZEN.includes(command)) {
    throw failure(`Agent error: Command guest-${command} has been disabled: the agent is in frozen state`);
  }
  return guest;
}

interface Command {
  name: string;
  verb: 'GET' | 'POST';
  /** Any of these, beside the right to do everything. */
  privileges: string[];
  answer: (guest: Guest, call: Call) => unknown;
}

const audit = ['VM.GuestAgent.Audit'];
const files = ['VM.GuestAgent.FileSystemMgmt'];
const power = ['VM.PowerMgmt'];

const freeze =
  (frozen: boolean) =>
  (guest: Guest): number => {
    insideOf(guest).frozen = frozen;
    return mounted(guest).length;
  };
const halt = (guest: Guest): Record<string, never> => {
  stopGuest(guest);
  return {};
};
const sleep = (guest: Guest): Record<string, never> => {
  guest.paused = true;
  return {};
};

const COMMANDS: Command[] = [
  { name: 'fsfreeze-freeze', verb: 'POST', privileges: files, answer: freeze(true) },
  {
    name: 'fsfreeze-status',
    verb: 'POST',
    privileges: [...audit, ...files],
    answer: (guest) => (insideOf(guest).frozen ? 'frozen' : 'thawed'),
  },
  { name: 'fsfreeze-thaw', verb: 'POST', privileges: files, answer: freeze(false) },
  {
    name: 'fstrim',
    verb: 'POST',
    privileges: files,
    answer: (guest) => ({
      paths: mounted(guest).map(({ mountpoint }) => ({ path: mountpoint, trimmed: 0, minimum: 0 })),
    }),
  },
  { name: 'get-fsinfo', verb: 'GET', privileges: audit, answer: mounted },
  {
    name: 'get-host-name',
    verb: 'GET',
    privileges: audit,
    answer: (guest) => ({ 'host-name': guestName(guest) }),
  },
  { name: 'get-memory-block-info', verb: 'GET', privileges: audit, answer: () => ({ size: 128 * MIB }) },
  {
    name: 'get-memory-blocks',
    verb: 'GET',
    privileges: audit,
    answer: (guest) =>
      Array.from({ length: Math.ceil(memory(guest) / 128) }, (_block, number) => ({
        'phys-index': number,
        online: true,
        'can-offline': true,
      })),
  },
  {
    name: 'get-osinfo',
    verb: 'GET',
    privileges: audit,
    answer: () => ({
      id: 'debian',
      name: 'Debian GNU/Linux',
      'pretty-name': 'Debian GNU/Linux 13 (trixie)',
      version: '13 (trixie)',
      'version-id': '13',
      'kernel-release': KERNEL,
      'kernel-version': '#1 SMP PREEMPT_DYNAMIC Debian',
      machine: 'x86_64',
    }),
  },
  {
    name: 'get-time',
    verb: 'GET',
    privileges: audit,
    // Nanoseconds; a number that JavaScript still holds exactly would be smaller.
    answer: (_guest, { state }) => state.clock() * 1_000_000,
  },
  { name: 'get-timezone', verb: 'GET', privileges: audit, answer: () => ({ zone: 'UTC', offset: 0 }) },
  {
    name: 'get-users',
    verb: 'GET',
    privileges: audit,
    answer: ({ startedAt }) => [{ user: 'root', 'login-time': Math.floor(startedAt / 1000) + 60 }],
  },
  {
    name: 'get-vcpus',
    verb: 'GET',
    privileges: audit,
    answer: ({ config }) =>
      Array.from({ length: Number(config.cores ?? 1) * Number(config.sockets ?? 1) }, (_cpu, number) => ({
        'logical-id': number,
        online: true,
        'can-offline': number > 0,
      })),
  },
  {
    name: 'info',
    verb: 'GET',
    privileges: audit,
    answer: () => ({
      version: '10.0.2',
      supported_commands: COMMANDS.map(({ name }) => ({
        name: `guest-${name}`,
        enabled: true,
        'success-response': true,
      })),
    }),
  },
  { name: 'network-get-interfaces', verb: 'GET', privileges: audit, answer: interfaces },
  { name: 'ping', verb: 'POST', privileges: audit, answer: () => ({}) },
  { name: 'shutdown', verb: 'POST', privileges: power, answer: halt },
  { name: 'suspend-disk', verb: 'POST', privileges: power, answer: halt },
  { name: 'suspend-hybrid', verb: 'POST', privileges: power, answer: sleep },
  { name: 'suspend-ram', verb: 'POST', privileges: power, answer: sleep },
];

const memory = ({ config }: Guest): number => Number(String(config.memory ?? 512).replace('current=', ''));

interface FileSystem {
  name: string;
  mountpoint: string;
  type: string;
  'used-bytes': number;
  'total-bytes': number;
  disk: unknown[];
}

function mounted(guest: Guest): FileSystem[] {
  const disks = drives(guest).filter(([key]) => !key.startsWith('unused'));
  return disks.map(([, , size], position) => ({
    name: `sd${'abcdefghijklmnop'[position]}1`,
    mountpoint: position === 0 ? '/' : `/data${position}`,
    type: 'ext4',
    'used-bytes': Math.floor((size || 8 * GIB) * 0.27),
    'total-bytes': size || 8 * GIB,
    disk: [],
  }));
}

const LOOPBACK = {
  name: 'lo',
  'hardware-address': '00:00:00:00:00:00',
  'ip-addresses': [{ 'ip-address': '127.0.0.1', 'ip-address-type': 'ipv4', prefix: 8 }],
};

/** What cloud-init set up at the start; else, as from DHCP, out of the range for documentation, by the VMID. */
function interfaces({ config, cloudinit = {}, vmid: id }: Guest): unknown[] {
  const hasDrive = Object.values(config).some((value) => /-cloudinit\b/.test(String(value)));
  const cards = Object.keys(config).filter((key) => /^net\d+$/.test(key));
  const found = cards.map((key, position) => {
    const leased = `198.51.100.${(id + position) % 250 || 1}/24`;
    const wanted = hasDrive ? String(cloudinit[`ipconfig${key.slice('net'.length)}`] ?? '') : 'ip=dhcp';
    return {
      name: position === 0 ? 'eth0' : `eth${position}`,
      'hardware-address': /([0-9A-F]{2}:){5}[0-9A-F]{2}/i.exec(String(config[key]))?.[0].toLowerCase(),
      'ip-addresses': addressesOf(wanted, leased),
    };
  });
  return [LOOPBACK, ...found];
}

/** A card that nothing was said of asks for a lease, as cloud-init's fallback does. */
function addressesOf(wanted: string, leased: string): unknown[] {
  const [, four = wanted === '' ? 'dhcp' : undefined] = /(?:^|,)ip=([^,]+)/.exec(wanted) ?? [];
  const [, six] = /(?:^|,)ip6=([^,]+)/.exec(wanted) ?? [];
  return [four === 'dhcp' ? leased : four, six].flatMap((address) => {
    const [ip = '', prefix] = (address ?? '').split('/');
    if (prefix === undefined) return [];
    const type = ip.includes(':') ? 'ipv6' : 'ipv4';
    return [{ 'ip-address': ip, 'ip-address-type': type, prefix: Number(prefix) }];
  });
}

function generic(call: Call): unknown {
  const wanted = COMMANDS.find(({ name }) => name === text(call, 'command'));
  const guest = requireAgent(call, wanted?.name);
  return { result: wanted?.answer(guest, call) };
}

/** What the agent inside a VM can be asked for without a program or a file. */
export function agentMethods(type: GuestType): Method[] {
  if (type !== 'qemu') return [];
  const path = '/nodes/{node}/qemu/{vmid}/agent';
  const everything = 'VM.GuestAgent.Unrestricted';
  const command = { type: 'string', enum: COMMANDS.map(({ name }) => name) } as const;
  return [
    declare('GET', path, { user: 'all' }, { node, vmid }, () =>
      index(
        'name',
        COMMANDS.map(({ name }) => name),
      ),
    ),
    declare('POST', path, onGuest(everything), { node, vmid, command }, generic),
    ...COMMANDS.map(({ name, verb, privileges, answer }) =>
      declare(verb, `${path}/${name}`, onGuest(...privileges, everything), { node, vmid }, (call) => ({
        result: answer(requireAgent(call, name), call),
      })),
    ),
  ];
}

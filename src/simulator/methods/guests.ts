import { guestFigures, memoryOnHost, tellsMemory } from '../state/figures.ts';
import { type Guest, type GuestType, isTemplate } from '../state/guest.ts';
import { haResource, haState } from '../state/ha.ts';
import { type Call, guestOf, index, type Method, node, onGuest, text, vmid } from './method.ts';
import { guestRow, visibleGuests } from './resources.ts';
import { machineOf, machineVersions } from './virtual-hardware.ts';

function haOf({ state }: Call, guest: Guest): Record<string, unknown> {
  const managed = haResource(state, guest);
  return managed ? { managed: 1, state: haState(state, managed) } : { managed: 0 };
}

/** Adds to a row what `status/current` and the node's lists say beyond the inventory. */
function details(call: Call, row: Record<string, unknown>, guest: Guest): unknown {
  const running = guest.status === 'running';
  const { maxcpu, ...rest } = row;
  return {
    ...rest,
    cpus: maxcpu,
    ...(guest.type === 'lxc'
      ? { type: 'lxc', maxswap: Number(guest.config.swap ?? 512) * 1024 ** 2, swap: 0 }
      : {}),
    ...(isTemplate(guest) ? { template: 1 } : {}),
    ...(running ? { pid: 2_000_000 + guest.vmid } : {}),
    ...(call.parameters.vmid === undefined ? {} : { ha: haOf(call, guest) }),
  };
}

function list(call: Call, type: GuestType): unknown {
  return visibleGuests(call)
    .filter((guest) => guest.type === type && guest.node === text(call, 'node'))
    .map((guest) => details(call, guestRow(call, guest), guest));
}

function current(call: Call, type: GuestType): unknown {
  const guest = guestOf(call, type);
  const row = { ...guestRow(call, guest), ...(type === 'qemu' ? qemuState(call, guest) : {}) };
  return details(call, row, guest);
}

/** What the balloon driver in the guest reports (PVE::QemuServer::vmstatus). */
function balloonState(call: Call, guest: Guest): Record<string, unknown> {
  const figures = guestFigures(guest, call.state.clock());
  const host = call.state.release.version.startsWith('8.') ? {} : { memhost: memoryOnHost(guest, figures) };
  if (!tellsMemory(guest)) return host;
  const { mem, maxmem } = figures;
  const free = maxmem - mem;
  const ballooninfo = { actual: maxmem, max_mem: maxmem, total_mem: maxmem, free_mem: free };
  return { ...host, balloon: maxmem, freemem: free, ballooninfo };
}

function qemuState(call: Call, guest: Guest): Record<string, unknown> {
  const agent = /^(enabled=)?1/.test(String(guest.config.agent ?? '0')) ? { agent: 1 } : {};
  const { state } = call;
  const [newest = ''] = machineVersions(state);
  const version = { 'running-qemu': `${newest}.2`, 'running-machine': `${machineOf(state, guest)}+pve0` };
  return {
    ...agent,
    qmpstatus: guest.paused ? 'paused' : guest.status,
    ...(guest.status === 'running' ? { ...version, ...balloonState(call, guest) } : {}),
  };
}

function indexOf(call: Call, type: GuestType): unknown {
  guestOf(call, type);
  return index('subdir', ['config', 'pending', 'status', 'clone', 'template', 'snapshot']);
}

/** The lists and the state of one kind of guest. */
export function guestMethods(type: GuestType): Method[] {
  const path = `/nodes/{node}/${type}`;
  return [
    {
      method: 'GET',
      path,
      properties: type === 'qemu' ? { node, full: { type: 'boolean', optional: 1 } } : { node },
      permissions: { user: 'all' },
      handler: (call) => list(call, type),
    },
    {
      method: 'GET',
      path: `${path}/{vmid}`,
      properties: { node, vmid },
      permissions: { user: 'all' },
      handler: (call) => indexOf(call, type),
    },
    {
      method: 'GET',
      path: `${path}/{vmid}/status`,
      properties: { node, vmid },
      permissions: { user: 'all' },
      handler: () => index('subdir', ['current', 'reboot', 'shutdown', 'start', 'stop']),
    },
    {
      method: 'GET',
      path: `${path}/{vmid}/status/current`,
      properties: { node, vmid },
      permissions: onGuest('VM.Audit'),
      handler: (call) => current(call, type),
    },
  ];
}

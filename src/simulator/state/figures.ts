import type { ClusterState, Node, Storage } from './cluster-state.ts';
import type { Guest } from './guest.ts';
import { GIB, MIB } from './sizes.ts';
import { drives, usedBytes } from './volumes.ts';

export interface GuestFigures {
  cpu: number;
  maxcpu: number;
  mem: number;
  maxmem: number;
  disk: number;
  maxdisk: number;
  netin: number;
  netout: number;
  diskread: number;
  diskwrite: number;
  uptime: number;
}

/** A slow wave between 0 and 1, its phase set by the guest: figures move, yet the same moment gives the same figures. */
function wave(seed: number, now: number): number {
  return (1 + Math.sin(now / 90_000 + seed * 2.399)) / 2;
}

const round = (value: number): number => Math.round(value * 10_000) / 10_000;

export function guestFigures(guest: Guest, now: number): GuestFigures {
  const { config, vmid } = guest;
  const maxmem = Number(String(config.memory ?? 512).replace('current=', '')) * MIB;
  const maxcpu = Number(config.cores ?? 1) * Number(config.sockets ?? 1);
  const maxdisk = drives(guest).find(([key]) => !key.startsWith('unused'))?.[2] ?? 0;
  const running = guest.status === 'running';
  const seconds = running ? Math.max(0, Math.floor((now - guest.startedAt) / 1000)) : 0;
  const load = running && !guest.paused ? 0.02 + 0.3 * wave(vmid, now) : 0;
  return {
    cpu: round(load),
    maxcpu,
    mem: running ? Math.floor(maxmem * (0.35 + 0.2 * wave(vmid + 1, now))) : 0,
    maxmem,
    // PVE looks into containers only; a VM's disk usage is not known to the host.
    disk: guest.type === 'lxc' && running ? Math.floor(maxdisk * 0.27) : 0,
    maxdisk,
    netin: seconds * (900 + (vmid % 97) * 31),
    netout: seconds * (700 + (vmid % 89) * 29),
    diskread: seconds * (400 + (vmid % 83) * 23),
    diskwrite: seconds * (500 + (vmid % 79) * 19),
    uptime: seconds,
  };
}

/** Whether the guest itself tells how much memory it uses; else the host can but count what it gave. */
export function tellsMemory({ type, config, status }: Guest): boolean {
  return type === 'qemu' && status === 'running' && Number(config.balloon ?? 1) !== 0;
}

/** What the host has given a VM, page cache of the guest included, in bytes. */
export function memoryOnHost(guest: Guest, { mem, maxmem }: GuestFigures): number {
  return tellsMemory(guest) ? Math.min(maxmem, Math.floor(mem * 1.25)) : mem;
}

export interface NodeFigures {
  cpu: number;
  mem: number;
  uptime: number;
}

export function nodeFigures(state: ClusterState, node: Node): NodeFigures {
  const now = state.clock();
  const guests = [...state.guests.values()].filter((guest) => guest.node === node.name);
  const figures = guests.map((guest) => guestFigures(guest, now));
  const busy = figures.reduce((sum, guest) => sum + guest.cpu * guest.maxcpu, 0);
  const used = figures.reduce((sum, guest) => sum + guest.mem, 0);
  return {
    cpu: round(Math.min(1, 0.01 + busy / node.cpus)),
    mem: Math.min(node.memory, 2 * GIB + used),
    uptime: Math.floor((now - node.bootedAt) / 1000),
  };
}

export function storageFigures(
  state: ClusterState,
  node: string,
  storage: Storage,
): { used: number; total: number } {
  return { used: Math.min(storage.total, usedBytes(state, node, storage)), total: storage.total };
}

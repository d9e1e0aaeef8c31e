import { guestFigures, memoryOnHost, nodeFigures, storageFigures } from '../../state/figures.ts';
import type { GuestType } from '../../state/guest.ts';
import { type Request, rrdRows, TIMEFRAMES, TIMEFRAMES_OF_8 } from '../../state/rrd.ts';
import { requireStorage } from '../../state/volumes.ts';
import { choice, required, scatter, served } from '../declare.ts';
import { type Call, guestOf, type Method, optionalText, text } from '../method.ts';
import { hostOf } from './system.ts';

const SEED_RANGE = 1000;

function isOld({ state }: Call): boolean {
  return state.release.version.startsWith('8.');
}

function requestOf(call: Call, since: number, ...seeds: (string | number)[]): Request {
  return {
    timeframe: text(call, 'timeframe'),
    cf: optionalText(call, 'cf') ?? 'AVERAGE',
    now: Math.floor(call.state.clock() / 1000),
    since,
    seed: Math.floor(scatter(...seeds) * SEED_RANGE),
    frames: isOld(call) ? TIMEFRAMES_OF_8 : TIMEFRAMES,
  };
}

function ofGuest(type: GuestType) {
  return (call: Call): unknown => {
    const guest = guestOf(call, type);
    const figures = guestFigures(guest, call.state.clock());
    const running = guest.status === 'running';
    const runningSince = running ? Math.floor(guest.startedAt / 1000) : Number.POSITIVE_INFINITY;
    const since = Math.floor((guest.createdAt ?? 0) / 1000);
    const rate = (total: number): number => (figures.uptime > 0 ? total / figures.uptime : 0);
    const { cpu, mem, maxcpu, maxmem, disk, maxdisk, netin, netout, diskread, diskwrite } = figures;
    return rrdRows(
      {
        cpu: { now: cpu, limit: 1 },
        mem: { now: mem, limit: maxmem },
        // Since 9.0: what the host gives it, whatever the guest says.
        ...(type === 'qemu' && !isOld(call)
          ? { memhost: { now: memoryOnHost(guest, figures), limit: maxmem } }
          : {}),
        netin: { now: rate(netin) },
        netout: { now: rate(netout) },
        diskread: { now: rate(diskread) },
        diskwrite: { now: rate(diskwrite) },
        disk: { now: disk, limit: maxdisk, grows: true },
      },
      { maxcpu, maxmem, maxdisk },
      { ...requestOf(call, since, guest.vmid), runningSince },
    );
  };
}

function ofNode(call: Call): unknown {
  const host = hostOf(call);
  const { cpu, mem } = nodeFigures(call.state, host);
  const local = call.state.storages.find(({ storage }) => storage === 'local');
  const root = local ? storageFigures(call.state, host.name, local) : { used: 0, total: 0 };
  const traffic = 180_000 * (1 + scatter(host.name));
  return rrdRows(
    {
      cpu: { now: cpu, limit: 1 },
      iowait: { now: cpu / 40, limit: 1 },
      loadavg: { now: cpu * host.cpus },
      memused: { now: mem, limit: host.memory },
      netin: { now: traffic },
      netout: { now: traffic * 0.8 },
      rootused: { now: root.used, limit: root.total, grows: true },
    },
    { maxcpu: host.cpus, memtotal: host.memory, swaptotal: 0, swapused: 0, roottotal: root.total },
    requestOf(call, 0, host.name),
  );
}

function ofStorage(call: Call): unknown {
  const host = hostOf(call);
  const storage = requireStorage(call.state, text(call, 'storage'));
  const { used, total } = storageFigures(call.state, host.name, storage);
  const request = requestOf(call, 0, host.name, storage.storage);
  return rrdRows({ used: { now: used, limit: total, grows: true } }, { total }, request);
}

/** Proxmox VE 9 keeps ten years, and shows them of nodes alone. */
const DECADE = { timeframe: required(choice(...Object.keys(TIMEFRAMES))) };

const PATHS: [string, (call: Call) => unknown][] = [
  ['/nodes/{node}', ofNode],
  ['/nodes/{node}/qemu/{vmid}', ofGuest('qemu')],
  ['/nodes/{node}/lxc/{vmid}', ofGuest('lxc')],
  ['/nodes/{node}/storage/{storage}', ofStorage],
];

export const rrdMethods: Method[] = PATHS.flatMap(([path, rows]) => [
  served('GET', `${path}/rrddata`, rows, rows === ofNode ? DECADE : {}),
  // Draws a picture on the host; nothing but its name comes back.
  served('GET', `${path}/rrd`, (call) => ({ filename: `/tmp/rrd-${text(call, 'timeframe')}.png` })),
]);

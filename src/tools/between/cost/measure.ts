import type { GatedCluster } from '../../../access/gate.ts';
import { isObject } from '../../../catalogue/json.ts';
import type { GuestRow, Inventory } from '../../../clusters/inventory.ts';
import { type CallError, toCallError } from '../../../proxmox/errors.ts';
import type { ToolContext } from '../../define.ts';
import { CONFIG_CALLS } from '../../guest-config.ts';
import { LIVE_CALLS } from '../../guest-live.ts';
import { type GuestTarget, targetOf } from '../../guest-target.ts';
import { type Recorded, recordedOf } from '../../metrics/rrd.ts';
import { pooled } from '../../pooled.ts';
import { numberOf } from '../../results.ts';
import { type Measured, weightOf } from './bill.ts';
import { disksOf } from './disks.ts';
import type { Period } from './period.ts';
import { mayBeSmaller, type Rule } from './sizing.ts';
import { type Peaks, peaksOf, usageOf } from './usage.ts';

export const MEASURE_CALLS = [
  ['GET', '/nodes/{node}/qemu/{vmid}/rrddata', 'timeframe', 'cf'],
  ['GET', '/nodes/{node}/lxc/{vmid}/rrddata', 'timeframe', 'cf'],
  ...CONFIG_CALLS,
  ...LIVE_CALLS,
] as const;

/** No record of a guest is begun to be read later than this: clients wait a minute. */
const READING_MS = 25_000;
const DEADLINE_MS = 10_000;
/** What is recorded each minute has no peaks between. */
const FINE_STEP_SECONDS = 60;

/** A guest with what was read of it. */
export interface MeasuredGuest extends Measured {
  /** Read of those alone that may be too large. */
  peaks?: Peaks;
  /** Whether the guest tells what memory it uses; else the host can only say what it gave. Absent where that is all one. */
  tellsMemory?: boolean;
  /** A container without `cores` may use all CPUs of its node, and is counted with them. */
  hasNoCores: boolean;
}

/** The guests of one cluster, and what of them was read. */
export interface Reading {
  cluster: GatedCluster;
  inventory: Inventory;
  guests: readonly GuestRow[];
  measured: Map<GuestRow, MeasuredGuest>;
  failed: CallError[];
}

/** What all reads of one call share. */
interface Asked {
  period: Period;
  rule: Rule;
  context: ToolContext;
  until: number;
}

/**
 * Reads the records of guests, the costliest of each cluster first. What can't be read is left out.
 *
 * @param most how many guests over all clusters
 * @throws the reason of the call's signal
 */
export async function measure(
  readings: readonly Reading[],
  most: number,
  asked: Omit<Asked, 'until'>,
): Promise<void> {
  const { context } = asked;
  const chosen = chosenOf(readings, most);
  const total = [...chosen.values()].flat().length;
  const until = context.now() + READING_MS;
  let done = 0;
  await Promise.all(
    [...chosen].map(async ([reading, guests]) => {
      const silent = new Set<string>();
      await pooled(guests, async (guest) => {
        await readInto(reading, guest, silent, { ...asked, until });
        done += 1;
        context.progress({
          progress: done,
          total,
          message: `guest ${guest.vmid} of ${reading.cluster.name}`,
        });
      });
    }),
  );
}

/** In turn from each cluster: prices of different currencies can't be compared. */
function chosenOf(readings: readonly Reading[], most: number): Map<Reading, GuestRow[]> {
  const ranked = readings.map(({ cluster, inventory, guests }) => {
    const offline = new Set(
      inventory.nodes.filter(({ status }) => status === 'offline').map(({ node }) => node),
    );
    const { prices } = cluster.settings;
    return guests
      .filter(({ node }) => !offline.has(node))
      .map((guest) => ({ guest, weight: weightOf(guest, prices) }))
      .sort((a, b) => b.weight - a.weight || a.guest.vmid - b.guest.vmid);
  });
  const chosen = new Map(readings.map((reading) => [reading, [] as GuestRow[]]));
  const longest = Math.max(0, ...ranked.map(({ length }) => length));
  let left = most;
  for (let place = 0; place < longest && left > 0; place++) {
    for (const [index, reading] of readings.entries()) {
      const next = ranked[index]?.[place];
      if (next === undefined || left <= 0) continue;
      chosen.get(reading)?.push(next.guest);
      left -= 1;
    }
  }
  return chosen;
}

async function readInto(reading: Reading, guest: GuestRow, silent: Set<string>, asked: Asked): Promise<void> {
  const { context, until } = asked;
  context.signal.throwIfAborted();
  if (silent.has(guest.node) || context.now() > until) return;
  try {
    reading.measured.set(guest, await read(targetOf(reading.cluster, guest), asked));
  } catch (thrown) {
    context.signal.throwIfAborted();
    const error = toCallError(thrown);
    reading.failed.push(error);
    // A node that does not answer would cost each of its guests a deadline.
    if (error.code === 'CLUSTER_UNREACHABLE' || error.code === 'TIMEOUT' || (error.status ?? 0) >= 595) {
      silent.add(guest.node);
    }
  }
}

/** @throws CallError */
async function read(target: GuestTarget, { period, rule }: Asked): Promise<MeasuredGuest> {
  const { guest } = target;
  const ask = async (path: ReturnType<GuestTarget['at']>, data?: Record<string, string>) =>
    (await target.cluster.request({ method: 'GET', path, data, deadlineMs: DEADLINE_MS })).data;
  const record = async (cf: 'AVERAGE' | 'MAX'): Promise<Recorded> =>
    recordedOf(await ask(target.at('rrddata'), { timeframe: period.timeframe, cf }));
  const [means, config] = await Promise.all([record('AVERAGE'), ask(target.at('config'))]);
  const values = isObject(config) ? config : {};
  const usage = usageOf(means, period, guest);
  const known = {
    usage,
    disks: disksOf(values),
    hasNoCores: guest.type === 'lxc' && values.cores === undefined && values.cpulimit === undefined,
  };
  const peaksOfMeans = peaksOf(means, period);
  const smaller = mayBeSmaller(guest, usage, peaksOfMeans, rule, period);
  if (smaller === undefined || peaksOfMeans === undefined) return known;
  const isFine = usage.stepSeconds <= FINE_STEP_SECONDS;
  const asksBalloon = smaller.memory && guest.type === 'qemu' && guest.status === 'running';
  const isContainer = guest.type === 'lxc';
  const [peaks, live] = await Promise.all([
    isFine ? peaksOfMeans : record('MAX').then((maxima) => peaksOf(maxima, period)),
    asksBalloon ? ask(target.at('status', 'current')) : undefined,
  ]);
  return {
    ...known,
    ...(peaks === undefined ? {} : { peaks }),
    ...(smaller.memory ? { tellsMemory: isContainer || tellsMemory(live) } : {}),
  };
}

/** Statistics of the balloon driver are what PVE takes a VM's memory from, where there are any (PVE::QemuServer::vmstatus). */
function tellsMemory(live: unknown): boolean {
  return isObject(live) && numberOf(live.freemem) !== undefined;
}

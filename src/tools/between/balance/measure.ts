import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { count } from '../../results.ts';
import { LOAD_TIMEFRAMES, type Load, type LoadTimeframe, loadNow, loadOfGuest, loadsOf } from './load.ts';

/** More guests are not asked for what was recorded of them; the rest count by what they take now. */
const MOST_GUESTS = 200;

export const timeframeParam = z.enum(LOAD_TIMEFRAMES).default('day');

/** What the figures of an answer rest on. */
export const restsOn = z.object({
  timeframe: z.enum(LOAD_TIMEFRAMES),
  cf: z.string(),
  recorded: z.int(),
  by_now: z.int().optional(),
  points: z.int().optional(),
});

export type RestsOn = z.output<typeof restsOn>;

/** @param cf as Proxmox names them */
export function restsOnOf(loads: Iterable<Load>, timeframe: LoadTimeframe, cf: string): RestsOn {
  const all = [...loads];
  const recorded = all.filter(({ basis }) => basis === 'recorded');
  const now = all.length - recorded.length;
  return {
    timeframe,
    cf,
    recorded: recorded.length,
    ...(now === 0 ? {} : { by_now: now }),
    ...(recorded.length === 0 ? {} : { points: Math.min(...recorded.map(({ points }) => points)) }),
  };
}

/** @param noun what was measured, in the singular */
export function restsOnWords(
  { timeframe, recorded, by_now: now = 0, points = 0 }: RestsOn,
  noun: string,
): string {
  const past = `what was recorded of ${count(recorded, noun)} over the last ${timeframe} (${points} moments at least)`;
  const present = `what ${count(now, noun)} ${now === 1 ? 'takes' : 'take'} at this moment, as nothing was recorded`;
  if (recorded === 0) return `The figures rest on ${present}.`;
  return `The figures rest on ${past}${now === 0 ? '' : `, and on ${present}`}.`;
}

/** What guests that run take, the heaviest measured over the time, the others as they are now. @throws the signal's reason */
export async function measureGuests(
  cluster: GatedCluster,
  guests: readonly GuestRow[],
  { timeframe, peaks }: { timeframe: LoadTimeframe; peaks: boolean },
  signal: AbortSignal,
): Promise<Map<number, Load>> {
  const running = guests
    .filter(({ status, template }) => status === 'running' && !template)
    .toSorted((a, b) => (b.memBytes ?? 0) - (a.memBytes ?? 0) || a.vmid - b.vmid);
  const asked = { cluster, timeframe, peaks };
  const measured = await loadsOf(
    running.slice(0, MOST_GUESTS),
    ({ vmid }) => vmid,
    (row) => loadOfGuest(asked, row, signal),
  );
  for (const row of running.slice(MOST_GUESTS)) {
    const now = loadNow(row);
    if (now !== undefined) measured.set(row.vmid, now);
  }
  return measured;
}

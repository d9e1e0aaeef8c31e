import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ErrorCode } from '../../src/proxmox/errors.ts';
import type { Simulator, SimulatorOptions } from '../../src/simulator/simulator.ts';
import { type EstateOptions, FaultEstate, type Skew, startSkewed, type ToolAnswer } from './fault-estate.ts';
import { Leftovers } from './leftovers.ts';

/** What a call has to end with while the fault is there. */
export interface Ending {
  /** Absent: the call succeeds all the same. */
  code?: ErrorCode;
  status?: number;
  retryable?: boolean;
  /** What the message and the hint must say. */
  says?: readonly (string | RegExp)[];
  /** Endpoints, by their place in the configuration, that the message must name. */
  names?: readonly number[];
  /** No request of any kind arrives while the fault is there. */
  untouched?: true;
  /** What a success must hold. */
  answers?: object;
}

export interface WriteEnding extends Ending {
  /** Writes that reach PVE's API, exactly. */
  arrived: 0 | 1;
  /** Where the target's own record can't tell: the writes that a front saw. */
  atFront?: 0 | 1;
}

/** The method, the path and the rest of a `proxmox_api_call`. */
export type Asked = readonly [method: string, path: string, more?: Record<string, unknown>];

type Asking = Asked | ((estate: FaultEstate) => Promise<Asked>);

export interface NamedFault {
  name: string;
  options?: EstateOptions;
  /** Nothing is connected when the fault comes. */
  cold?: true;
  /** It is over at once, and comes again for the read. */
  moment?: true;
  put(estate: FaultEstate): unknown;
  /** Default: every fault of the target is removed. */
  lift?(estate: FaultEstate): unknown;
  /** Seconds that must pass, on the clocks of service and simulator, until the same call works again. */
  pass?: number;
  read?: Ending & { asks?: Asking };
  write?: WriteEnding & { asks?: Asking };
}

export const READ: Asked = ['GET', '/nodes/pve2/status'];
/** A POST that may be repeated without harm, so that a second one shows up as nothing but a second one. */
export const WRITE: Asked = [
  'POST',
  '/nodes/pve2/qemu/103/config',
  { data: { description: 'a fault test' } },
];

/** Far above what any of these takes: it tells bounded from unbounded, not fast from slow. */
const BOUND_MS = 6_000;
const OTHERS_BOUND_MS = 4_000;
/** Longer than a task of the simulator, and than the backoff after which a second write would come. */
const SETTLE_MS = 60;

/** Starts one simulator for the tests of a file, and sees that nothing of it is left at their end. */
export function useSimulator(options: SimulatorOptions = {}): () => { simulator: Simulator; skew: Skew } {
  let running: { simulator: Simulator; skew: Skew } | undefined;
  let leftovers: Leftovers | undefined;
  beforeAll(async () => {
    leftovers = new Leftovers();
    running = await startSkewed(options);
  });
  afterAll(async () => {
    await running?.simulator.close();
    expect(await leftovers?.settled(), 'left after the simulator').toEqual([]);
  });
  return () => {
    if (!running) throw new Error('the simulator has not started');
    return running;
  };
}

type Simulated = ReturnType<typeof useSimulator>;

/** A test with a service of its own, at whose end nothing is left and no secret has been said. */
export function faultTest(
  simulated: Simulated,
  name: string,
  body: (estate: FaultEstate) => Promise<void>,
  options: EstateOptions = {},
): void {
  test(name, async () => {
    const leftovers = new Leftovers();
    const { simulator, skew } = simulated();
    const estate = await FaultEstate.start(simulator, skew, options);
    try {
      await body(estate);
    } finally {
      await estate.close();
    }
    for (const secret of estate.secrets) expect(estate.seen).not.toContain(secret);
    expect(await leftovers.settled(), 'left after the service').toEqual([]);
  });
}

/** Tests each fault with a write and a read, as far as it says how they end. */
export function describeFaults(simulated: Simulated, faults: readonly NamedFault[]): void {
  for (const fault of faults) {
    const { name, options = {} } = fault;
    faultTest(simulated, name, (estate) => meet(estate, fault), options);
  }
}

async function meet(estate: FaultEstate, fault: NamedFault): Promise<void> {
  await warm(estate);
  const write = await known(estate, fault.write, WRITE);
  const read = await known(estate, fault.read, READ);
  if (fault.cold) await estate.cut();
  await fault.put(estate);
  const { requests, writes } = estate;
  if (write) {
    expectEnding(await bounded(estate, () => estate.ask(...write.asked)), write.ending, estate);
    await sleep(SETTLE_MS);
    const { arrived, atFront } = write.ending;
    expect(estate.writes.length - writes.length, 'writes that arrived').toBe(arrived);
    if (atFront !== undefined) expect(estate.front.writes, 'writes at the front').toBe(atFront);
    if (write.ending.untouched) expect(estate.requests).toHaveLength(requests.length);
  }
  if (fault.moment) await fault.put(estate);
  if (read) {
    expectEnding(await bounded(estate, () => estate.ask(...read.asked)), read.ending, estate);
    if (read.ending.untouched) expect(estate.requests).toHaveLength(requests.length);
  }
  await lifted(estate, fault);
  for (const { asked } of [write, read].filter((call) => call !== undefined)) {
    expectEnding(await bounded(estate, () => estate.ask(...asked)), {}, estate);
  }
  const inAll = write ? write.ending.arrived + 1 : 0;
  expect(estate.writes.length - writes.length, 'writes that arrived in the end').toBe(inAll);
}

async function known<Kind extends Ending & { asks?: Asking }>(
  estate: FaultEstate,
  ending: Kind | undefined,
  usual: Asked,
): Promise<{ ending: Kind; asked: Asked } | undefined> {
  if (ending === undefined) return undefined;
  const { asks = usual } = ending;
  return { ending, asked: typeof asks === 'function' ? await asks(estate) : asks };
}

async function lifted(estate: FaultEstate, { lift, pass }: NamedFault): Promise<void> {
  if (lift) await lift(estate);
  else await estate.target.faults.clear();
  if (pass !== undefined) estate.pass(pass);
}

/** The service has talked to every cluster and has its schema, as some time after its start. */
export async function warm(estate: FaultEstate): Promise<void> {
  const clusters = [estate.target.name, ...estate.others];
  const asked = { path: '/nodes' };
  await Promise.all(clusters.map((cluster) => estate.call('proxmox_api_call', { cluster, ...asked })));
}

/** Makes a call or several, sees that they end and that the other clusters answer meanwhile. */
export async function bounded<T>(
  estate: FaultEstate,
  call: () => Promise<T>,
  boundMs = BOUND_MS,
): Promise<T> {
  const startedAt = performance.now();
  const work = call();
  for (const cluster of estate.others) {
    expect((await estate.call('list_nodes', { cluster })).error, `${cluster} meanwhile`).toBeUndefined();
  }
  if (estate.others.length > 0) expect(performance.now() - startedAt).toBeLessThan(OTHERS_BOUND_MS);
  const answer = await work;
  expect(performance.now() - startedAt, 'bounded in time').toBeLessThan(boundMs);
  return answer;
}

export function expectEnding(answer: ToolAnswer, ending: Ending, estate: FaultEstate): void {
  const { error } = answer;
  if (ending.code === undefined) {
    expect(error).toBeUndefined();
    expect(answer).toMatchObject({ cluster: estate.target.name, ...ending.answers });
    return;
  }
  const { code, status, retryable } = ending;
  expect(error).toMatchObject({
    code,
    cluster: estate.target.name,
    ...(status === undefined ? {} : { status }),
    ...(retryable === undefined ? {} : { retryable }),
  });
  const text = `${error?.message} ${error?.hint}`;
  for (const place of ending.names ?? []) expect(text).toContain(estate.target.endpoints[place]);
  for (const words of ending.says ?? []) {
    if (typeof words === 'string') expect(text).toContain(words);
    else expect(text).toMatch(words);
  }
}

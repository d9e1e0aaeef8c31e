import type { GatedCluster } from '../../../access/gate.ts';
import { CallError, toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { readConfig } from '../../guest-config.ts';
import { type LiveState, liveState } from '../../guest-live.ts';
import { type GuestTarget, targetOf } from '../../guest-target.ts';
import { partsOf } from './disks.ts';
import type { Journey } from './journey.ts';
import { agentAnswers } from './source-facts.ts';

/** One thing that was compared; `ok` undefined: it could not be. */
export interface Check {
  check: string;
  ok: boolean | undefined;
  found: string;
}

/** Between two questions to an agent that is to answer again. */
const PAUSE_MS = 2000;

/** The guest where it arrived, as its cluster would list it. */
export function arrived(to: GatedCluster, journey: Journey): GuestTarget {
  const { type, target_node: node, target_vmid: vmid, name } = journey;
  const row = { id: `${type}/${vmid}`, type, vmid, node, status: 'unknown', template: false, tags: [] };
  return targetOf(to, name === undefined ? row : { ...row, name, nameLower: name.toLowerCase() });
}

/**
 * Compares the guest at the target with what it was, and looks whether the source is stopped.
 *
 * @param until epoch milliseconds; how long the agent may take to answer again
 */
export async function verify(
  source: GuestTarget,
  to: GatedCluster,
  journey: Journey,
  until: number,
  context: ToolContext,
): Promise<Check[]> {
  const copy = arrived(to, journey);
  const [before, now, config] = await Promise.all([
    stateOf(source),
    stateOf(copy),
    readConfig(copy).then(({ values }) => ({ values }), problemOf),
  ]);
  context.signal.throwIfAborted();
  return [
    stoppedCheck(before),
    runningCheck(now, journey),
    ...('problem' in config
      ? [{ check: 'configuration', ok: undefined, found: config.problem }]
      : configChecks(config.values, journey)),
    ...(journey.expect.agent && 'live' in now ? [await agentCheck(copy, until, context)] : []),
  ];
}

/** @returns undefined where something could not be compared, and nothing was wrong */
export function passed(checks: readonly Check[]): boolean | undefined {
  if (checks.some(({ ok }) => ok === false)) return false;
  return checks.some(({ ok }) => ok === undefined) ? undefined : true;
}

type State = { live: LiveState } | { problem: string; isAbsent: boolean };

export async function stateOf(guest: GuestTarget): Promise<State> {
  return liveState(guest).then((live) => ({ live }), problemOf);
}

function problemOf(thrown: unknown): { problem: string; isAbsent: boolean } {
  const { code, message } = toCallError(thrown);
  return { problem: `${code}: ${message}`, isAbsent: thrown instanceof CallError && code === 'NOT_FOUND' };
}

function stoppedCheck(state: State): Check {
  const check = 'the source is stopped';
  if ('problem' in state) return { check, ok: undefined, found: state.problem };
  const { state: now, lock } = state.live;
  return {
    check,
    ok: now === 'stopped' && lock === undefined,
    found: lock === undefined ? now : `${now}, locked (${quoted(lock)})`,
  };
}

function runningCheck(state: State, { runs }: Journey): Check {
  const check = runs ? 'it runs at the target' : 'it is at the target, stopped';
  if ('problem' in state) return { check, ok: state.isAbsent ? false : undefined, found: state.problem };
  const { state: now, lock } = state.live;
  const isRunning = now === 'running' || now === 'paused';
  return {
    check,
    ok: isRunning === runs && lock === undefined,
    found: lock === undefined ? now : `${now}, locked (${quoted(lock)})`,
  };
}

function configChecks(
  values: Readonly<Record<string, unknown>>,
  { expect, bridge_map: bridges }: Journey,
): Check[] {
  const { disks, nics } = partsOf(values);
  const other = Object.entries(expect.options).filter(([key, value]) => String(values[key] ?? '') !== value);
  const lost = expect.disks.filter((key) => !disks.some((disk) => disk.key === key));
  const wrong = Object.entries(expect.nics).filter(
    ([key, mac]) => (nics.find((nic) => nic.key === key)?.mac ?? '') !== mac,
  );
  const known = Object.values(bridges);
  const astray = nics
    .filter(({ bridge }) => bridge !== undefined && !known.includes(bridge))
    .map(({ key }) => key);
  const row = (check: string, bad: readonly string[], good: string): Check => ({
    check,
    ok: bad.length === 0,
    found: bad.length === 0 ? good : someOf(bad),
  });
  return [
    row(
      'its options are the same',
      other.map(([key, value]) => `${key}: ${quoted(String(values[key] ?? 'absent'))} for ${quoted(value)}`),
      `${Object.keys(expect.options).length} compared`,
    ),
    row(
      'its disks are there',
      lost.map((key) => `${key} is missing`),
      expect.disks.join(', ') || 'none',
    ),
    row(
      'its NICs are there',
      [
        ...wrong.map(([key]) => `${key} is missing or has another MAC`),
        ...astray.map((key) => `${key} is on another bridge`),
      ],
      Object.keys(expect.nics).join(', ') || 'none',
    ),
  ];
}

/** Whether a configuration is what moved: its options, its disks, its NICs and no other ones. */
export function isAsItWas(values: Readonly<Record<string, unknown>>, { expect }: Journey): boolean {
  const { disks, nics } = partsOf(values);
  return (
    Object.entries(expect.options).every(([key, value]) => String(values[key] ?? '') === value) &&
    expect.disks.every((key) => disks.some((disk) => disk.key === key)) &&
    nics.length === Object.keys(expect.nics).length &&
    nics.every(({ key, mac }) => expect.nics[key] === (mac ?? ''))
  );
}

/** It answered before; after a start it takes its time. */
async function agentCheck(copy: GuestTarget, until: number, context: ToolContext): Promise<Check> {
  for (;;) {
    const state = await stateOf(copy);
    if ('live' in state && (await agentAnswers(copy, state.live)))
      return { check: 'its agent answers', ok: true, found: 'yes' };
    if (context.now() + PAUSE_MS > until) break;
    await context.sleep(PAUSE_MS);
  }
  return { check: 'its agent answers', ok: false, found: 'no answer, as it gave before' };
}

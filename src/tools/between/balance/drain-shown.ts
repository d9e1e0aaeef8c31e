import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import {
  clusterParam,
  selectedFields,
  selectionOf,
  switchParam,
  textParam,
  wholeParam,
} from '../../params.ts';
import { count, noted } from '../../results.ts';
import { type Finding, findingRows } from '../finding.ts';
import type { DrainPlan } from './drain.ts';
import type { Stays } from './examine.ts';
import { restsOn, restsOnWords } from './measure.ts';
import type { carryOut } from './moves.ts';
import { outcomeWords } from './outcome.ts';
import { moveRow, type PlannedMove } from './proposal.ts';
import type { Surroundings } from './surroundings.ts';

export const drainInput = z.strictObject({
  cluster: clusterParam,
  node: textParam(63),
  action: z.enum(['check', 'drain', 'restore', 'status']).default('check'),
  restart_containers: switchParam(),
  include_local: switchParam(),
  stopped: switchParam(),
  wait_seconds: wholeParam(0, 1800).default(600),
});

export type DrainArgs = z.output<typeof drainInput>;

export const drainOutput = z.object({
  ...selectedFields,
  node: z.string(),
  action: z.string(),
  state: z.enum(['ready', 'blocked', 'empty', 'partly', 'unfinished', 'restored', 'untouched']),
  moves: z.array(
    moveRow.partial({ result: true }).extend({ how: z.string().optional(), why: z.string().optional() }),
  ),
  stays: z.array(z.looseObject({ vmid: z.int(), why: z.string(), do: z.string() })),
  left: z.int().describe('Guests on the node now.'),
  findings: findingRows.optional(),
  rests_on: restsOn.optional(),
  stopped: z.string().optional(),
  note: z.string().optional(),
});

export type DrainOutput = z.output<typeof drainOutput>;

/** What the answer says, as sentences. */
export function drainSentence(answer: DrainOutput): string {
  const { cluster, node, state, action, moves, stays, left, note, rests_on, stopped, findings = [] } = answer;
  const place = `${quoted(node)} of ${cluster}`;
  const staying =
    stays.length === 0
      ? ''
      : ` ${count(stays.length, 'guest')} stay: ${someOf(
          stays.map(({ vmid, why }) => `${vmid}: ${why}`),
          5,
        )}`;
  const more = `${stopped === undefined ? '' : ` Stopped: ${stopped}.`}${note === undefined ? '' : ` ${note}`}`;
  if (state === 'ready' || state === 'blocked') {
    const blocking = findings.filter(({ severity }) => severity === 'blocks').map(({ what }) => what);
    const each = someOf(
      moves.map(
        ({ vmid, name, to }) => `${vmid}${name === undefined ? '' : ` (${quoted(name)})`} to ${quoted(to)}`,
      ),
    );
    const verdict =
      state === 'blocked' ? `can't be drained: ${blocking.join(' ')}` : `can be drained: ${each}.`;
    return `${place} ${verdict}${staying}${rests_on === undefined ? '' : ` ${restsOnWords(rests_on, 'machine')}`}${more}`;
  }
  if (state === 'untouched') return `${place} was not drained by you; ${count(left, 'guest')} on it.${more}`;
  const doing = action === 'restore' ? 'back' : 'away';
  const what = moves.length === 0 ? 'Nothing to move.' : outcomeWords(moves);
  return `${place}, ${doing}: ${what} ${count(left, 'guest')} on it now.${staying}${more}`;
}

export function shell(cluster: GatedCluster, { node, action }: DrainArgs) {
  return { ...selectionOf(cluster), node, action };
}

export function leftOn({ inventory }: Pick<Surroundings, 'inventory'>, node: string): number {
  return inventory.guests.filter((guest) => guest.node === node && !guest.template).length;
}

function downLeft({ node, stopped }: DrainArgs, { guests }: Surroundings['inventory']): string | undefined {
  const down = guests.filter((guest) => guest.node === node && !guest.template && guest.status === 'stopped');
  if (stopped || down.length === 0) return undefined;
  return `${count(down.length, 'guest')} on it ${down.length === 1 ? 'is' : 'are'} down and left there; stopped=true moves these, too.`;
}

type Guests = Surroundings['inventory']['guests'];

/** Came or was started since the plan: the list of guests may lag behind what was just moved. */
function upOn({ guests }: { guests: Guests }, node: string, known: readonly { vmid: number }[]): Guests {
  const planned = new Set(known.map(({ vmid }) => vmid));
  return guests.filter(
    ({ vmid, node: on, template, status }) =>
      on === node && !template && status !== 'stopped' && !planned.has(vmid),
  );
}

function upNote(up: Guests): string | undefined {
  if (up.length === 0) return undefined;
  return `Not in the plan, and not stopped on it now: ${someOf(up.map(({ vmid }) => String(vmid)))}. Repeat the call.`;
}

export function planShown(
  cluster: GatedCluster,
  args: DrainArgs,
  around: Surroundings,
  { moves, stays, findings, restsOn: basis }: DrainPlan,
) {
  return {
    ...shell(cluster, args),
    moves,
    stays: staysOf(stays),
    left: leftOn(around, args.node),
    findings,
    rests_on: basis,
    ...noted(...around.unknown, downLeft(args, around.inventory)),
  };
}

export function stateOf({
  findings,
  moves,
  stays,
}: {
  findings: readonly Finding[];
  moves: readonly unknown[];
  stays: readonly unknown[];
}): DrainOutput['state'] {
  if (findings.some(({ severity }) => severity === 'blocks')) return 'blocked';
  return moves.length === 0 && stays.length === 0 ? 'empty' : 'ready';
}

export async function outcome(
  cluster: GatedCluster,
  args: DrainArgs,
  { rows, stopped }: Awaited<ReturnType<typeof carryOut>>,
  stays: readonly Stays[],
): Promise<DrainOutput> {
  const inventory = await cluster.inventory({ fresh: true });
  const isOver = rows.every(({ result }) => result !== 'moving' && result !== 'not_begun');
  const up =
    args.action === 'drain' ? upOn(inventory, args.node, [...rows, ...stays.map(({ guest }) => guest)]) : [];
  const isWhole = rows.every(({ result }) => result === 'moved') && stays.length === 0 && up.length === 0;
  const state = !isOver
    ? 'unfinished'
    : !isWhole
      ? 'partly'
      : args.action === 'restore'
        ? 'restored'
        : 'empty';
  return {
    ...shell(cluster, args),
    state,
    moves: rows,
    stays: staysOf(stays),
    left: leftOn({ inventory }, args.node),
    ...(args.action === 'drain' ? noted(downLeft(args, inventory), upNote(up)) : {}),
    ...(stopped === undefined ? {} : { stopped }),
  };
}

export function staysOf(stays: readonly Stays[]): DrainOutput['stays'] {
  return stays.map(({ guest: { vmid, name }, why, do: advice }) => ({
    vmid,
    ...(name === undefined ? {} : { name }),
    why,
    do: advice,
  }));
}

/** What a person reads with the approval. */
export function drainNotes(
  cluster: GatedCluster,
  node: string,
  moves: readonly PlannedMove[],
  { findings, stays }: DrainPlan,
): string[] {
  return [
    `Empties ${node} of ${cluster.name}, one guest after the other; running VMs go on running.`,
    ...numbered(moves),
    ...stays.map(
      ({ guest, why }) => `${guest.vmid}${guest.name === undefined ? '' : ` (${guest.name})`} stays: ${why}`,
    ),
    ...findings.map(({ what }) => what),
    'It stops where a node goes offline or the quorum is lost. action=restore brings the guests back.',
  ];
}

export function numbered(moves: readonly PlannedMove[]): string[] {
  return moves.map(({ vmid, name, from, to, restart }, index) => {
    const how = restart === true ? ', shut down for it and started again' : '';
    return `${index + 1}. ${vmid}${name === undefined ? '' : ` (${name})`} from ${from} to ${to}${how}`;
  });
}

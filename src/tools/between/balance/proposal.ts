import { z } from 'zod';
import type { RunStep } from '../../../access/runs/run.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { compact } from '../../results.ts';

const planned = z.object({
  vmid: z.int(),
  name: z.string().optional(),
  type: z.enum(['qemu', 'lxc']),
  from: z.string(),
  to: z.string(),
  /** A container that may be shut down for it, and started again. */
  restart: z.boolean().optional(),
});

/** One move of several, as the run of them keeps it. */
export type PlannedMove = z.output<typeof planned>;

const proposal = z.object({ at: z.number(), about: z.string(), moves: z.array(planned) });

/** Moves that were proposed together, and when. What a person saw is what is made: it is not worked out anew. */
export type Proposal = z.output<typeof proposal>;

/** Before the first move of a proposal it is kept so long: by then an approval has ended, too. */
const KEPT_MS = 15 * 60_000;
const PROPOSAL = 'proposal';

export const moveRow = planned.omit({ restart: true }).extend({
  result: z.enum(['moved', 'moving', 'failed', 'not_begun', 'elsewhere']),
  upid: z.string().optional(),
  message: z.string().optional(),
});

export type MoveRow = z.output<typeof moveRow>;

/** What became of a move. */
export type Outcome = Pick<MoveRow, 'result'> & { upid?: string; message?: string };

/** Keeps what is proposed. */
export async function propose(
  run: Run,
  moves: readonly PlannedMove[],
  about: string,
  now: number,
): Promise<Proposal> {
  const made = {
    at: now,
    about,
    moves: moves.map(({ vmid, name, type, from, to, restart }) => ({
      vmid,
      type,
      from,
      to,
      ...compact({ name, restart }),
    })),
  };
  await run.begin(PROPOSAL, made);
  return made;
}

/** The last proposal of a run, whatever became of it. */
export function lastProposal(run: Run | undefined): Proposal | undefined {
  return proposal.safeParse(run?.step(PROPOSAL)?.data).data;
}

/**
 * The proposal that a repeated call goes on with.
 *
 * @param about what it was made of; one that was begun goes on whatever else is wished now
 * @returns undefined where there is none, it is done with, or was left lying unbegun
 */
export function openProposal(run: Run, now: number, about: string): Proposal | undefined {
  const kept = lastProposal(run);
  if (kept === undefined) return undefined;
  const steps = kept.moves.map((move) => run.step(stepName(kept.at, move)));
  if (steps.some((step) => step !== undefined)) return steps.every(isOver) ? undefined : kept;
  return kept.about === about && now - kept.at <= KEPT_MS ? kept : undefined;
}

export function isOver(step: RunStep | undefined): boolean {
  return step?.state === 'failed' || step?.data.arrived !== undefined;
}

/** What is known of each move of a proposal; asks no cluster. */
export function progressOf(run: Run, { at, moves }: Proposal): MoveRow[] {
  return moves.map((move) => ({ ...move, ...outcomeOf(run, at, move) }));
}

/** What is known of one move; asks no cluster. */
export function outcomeOf(run: Run, at: number, move: PlannedMove): Outcome {
  const step = run.step(stepName(at, move));
  if (step === undefined) return { result: 'not_begun' };
  const upid = compact({ upid: step.upid });
  if (step.data.arrived !== undefined) return { result: 'moved', ...upid };
  const { problem } = step.data;
  if (step.state !== 'failed') return { result: 'moving', ...upid };
  return { result: 'failed', ...upid, ...(typeof problem === 'string' ? { message: problem } : {}) };
}

/** The moves of all proposals of a run that brought their guests where they were to go; the last one of each guest, by VMID. */
export function arrived(run: Run): PlannedMove[] {
  const moves = run.steps().flatMap(({ data }) => {
    const move = planned.safeParse(data.arrived);
    return move.success ? [move.data] : [];
  });
  const last = new Map(moves.map((move) => [move.vmid, move]));
  return [...last.values()].sort((a, b) => a.vmid - b.vmid);
}

export function stepName(at: number, { vmid }: PlannedMove): string {
  return `move ${vmid} of ${at}`;
}

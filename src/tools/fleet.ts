import { z } from 'zod';
import type { GatedCluster } from '../access/gate.ts';
import { abortOf, Deadline, DeadlineExpired } from '../proxmox/deadline.ts';
import { CallError, type ErrorCode, toCallError } from '../proxmox/errors.ts';
import type { Fleet, ToolContext } from './define.ts';
import { SELECTED_BY, selectedFields, selectionOf } from './params.ts';
import { count } from './results.ts';

/** How long one cluster may keep the answer of all waiting, in milliseconds. */
const DEADLINE_MS = 10_000;

/** What every answer over several clusters begins with; `fleetSelection` gives it. */
export const fleetFields = {
  ...selectedFields,
  cluster: z
    .string()
    .optional()
    .describe('Absent where all clusters were asked; then each row names its own.'),
  selected_by: z.enum([...SELECTED_BY, 'all']),
  failed: z
    .array(z.object({ cluster: z.string(), code: z.string(), message: z.string(), hint: z.string() }))
    .optional()
    .describe('Clusters that this answer lacks, and why.'),
};

/** What the text of an answer over several clusters is made of. */
interface FleetText {
  cluster?: string | undefined;
  clusters?: readonly unknown[] | undefined;
  failed?: readonly { cluster: string; code: string }[] | undefined;
  note?: string | undefined;
}

/** What one cluster answered. */
export interface FleetAnswer<T> {
  cluster: GatedCluster;
  answer: T;
}

export interface FleetFailure {
  cluster: string;
  code: ErrorCode;
  message: string;
  hint: string;
}

/**
 * Asks every cluster at once; one that fails or takes too long costs its own part of the answer alone.
 *
 * @param ask gets the signal that ends with the deadline; hand it on to what is asked
 * @throws CallError where one cluster was named and failed, or where all failed; the reason of the call's signal
 */
export async function askFleet<T>(
  fleet: Fleet,
  context: ToolContext,
  ask: (cluster: GatedCluster, signal: AbortSignal) => Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<{ answers: FleetAnswer<T>[]; failed: FleetFailure[] }> {
  const [only] = fleet.clusters;
  if (!fleet.isAll && only !== undefined) {
    return { answers: [{ cluster: only, answer: await ask(only, context.signal) }], failed: [] };
  }
  context.signal.throwIfAborted();
  // All are asked at the same moment, so that one timer is the deadline of each.
  using deadline = new Deadline(deadlineMs, [context.signal]);
  const { signal } = deadline;
  const over = abortOf(deadline);
  const outcomes = await Promise.all(
    fleet.clusters.map((cluster) =>
      outcomeOf(cluster, () => Promise.race([ask(cluster, signal), over]), deadlineMs),
    ),
  );
  context.signal.throwIfAborted();
  const answers = outcomes.flatMap((outcome) => ('answer' in outcome ? [outcome] : []));
  const failed = outcomes.flatMap((outcome) => ('answer' in outcome ? [] : [outcome]));
  if (answers.length === 0 && failed.length > 0) throw allFailed(failed);
  return { answers, failed };
}

async function outcomeOf<T>(
  cluster: GatedCluster,
  ask: () => Promise<T>,
  deadlineMs: number,
): Promise<FleetAnswer<T> | FleetFailure> {
  try {
    return { cluster, answer: await ask() };
  } catch (thrown) {
    const error = thrown instanceof DeadlineExpired ? tooSlow(cluster.name, deadlineMs) : toCallError(thrown);
    const { code, message, hint } = error;
    return { cluster: cluster.name, code, message, hint };
  }
}

/** The beginning of an answer over a fleet. */
export function fleetSelection(fleet: Fleet, failed: readonly FleetFailure[]) {
  const [only] = fleet.clusters;
  if (!fleet.isAll && only !== undefined) return selectionOf(only);
  return { selected_by: 'all' as const, ...(failed.length === 0 ? {} : { failed: [...failed] }) };
}

/** ` Without staging (CLUSTER_UNREACHABLE).`, for the text of an answer; empty where nothing is missing. */
export function withoutFailed(failed: readonly { cluster: string; code: string }[] | undefined): string {
  if (failed === undefined || failed.length === 0) return '';
  return ` Without ${someOf(failed.map(({ cluster, code }) => `${cluster} (${code})`))}.`;
}

/** What the text of an answer ends with: who is missing, and what is to be noted; empty where there is neither. */
export function remarks({ failed, note }: Pick<FleetText, 'failed' | 'note'>): string {
  return `${withoutFailed(failed)}${note ? ` ${note}` : ''}`;
}

/** Whom the text of an answer speaks of: the one cluster by its name, or how many there are. */
export function whose({ cluster, clusters }: Pick<FleetText, 'cluster' | 'clusters'>): string {
  return cluster ?? count(clusters?.length ?? 0, 'cluster');
}

/** `a, b and 7 more`: what a sentence can hold of a long list. */
export function someOf(texts: readonly string[], most = 10): string {
  const more = texts.length - most;
  return more <= 0 ? texts.join(', ') : `${texts.slice(0, most).join(', ')} and ${more} more`;
}

function tooSlow(cluster: string, deadlineMs: number): CallError {
  return new CallError('TIMEOUT', `${cluster} did not answer within ${deadlineMs / 1000} s.`, {
    cluster,
    hint: 'Ask this cluster alone to give it more time, and look at cluster_health.',
  });
}

/** The error of one call that asked many: where all say the same, that; a refusal by policy is the same for all. */
function allFailed(failed: readonly FleetFailure[]): CallError {
  const [first] = failed;
  const code =
    first !== undefined && failed.every((other) => other.code === first.code) ? first.code : undefined;
  const each = someOf(failed.map(({ cluster, code: why, message }) => `${cluster}: ${why}: ${message}`));
  return new CallError(code ?? 'CLUSTER_UNREACHABLE', `No cluster answered. ${each}`, {
    hint: first?.hint ?? 'Look at cluster_health.',
  });
}

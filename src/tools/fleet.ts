import { z } from 'zod';
import type { GatedCluster } from '../access/gate.ts';
import { SELECTED_BY } from '../clusters/cluster.ts';
import { abortable } from '../proxmox/deadline.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import type { Fleet, ToolContext } from './define.ts';
import { selectedFields, selectionOf } from './params.ts';

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

/** What one cluster answered. */
export interface FleetAnswer<T> {
  cluster: GatedCluster;
  answer: T;
}

export interface FleetFailure {
  cluster: string;
  code: string;
  message: string;
  hint: string;
}

/**
 * Asks every cluster at once; one that fails or takes too long costs its own part of the answer alone.
 *
 * @param ask gets the signal that ends with the cluster's deadline; hand it on to what is asked
 * @throws CallError where one cluster was named and failed, or where all failed
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
  const outcomes = await Promise.all(
    fleet.clusters.map(async (cluster) => {
      const timeout = new AbortController();
      const timer = setTimeout(() => timeout.abort(tooSlow(cluster.name, deadlineMs)), deadlineMs);
      const signal = AbortSignal.any([context.signal, timeout.signal]);
      try {
        return { cluster, answer: await abortable(ask(cluster, signal), signal) };
      } catch (error) {
        context.signal.throwIfAborted();
        return failureOf(cluster.name, error);
      } finally {
        clearTimeout(timer);
      }
    }),
  );
  const answers = outcomes.flatMap((outcome) => ('answer' in outcome ? [outcome] : []));
  const failed = outcomes.flatMap((outcome) => ('answer' in outcome ? [] : [outcome]));
  if (answers.length === 0 && failed.length > 0) throw allFailed(failed);
  return { answers, failed };
}

/** The beginning of an answer over a fleet. */
export function fleetSelection(fleet: Fleet, failed: readonly FleetFailure[]) {
  const [only] = fleet.clusters;
  if (!fleet.isAll && only !== undefined) return selectionOf(only);
  return { selected_by: 'all' as const, ...(failed.length === 0 ? {} : { failed: [...failed] }) };
}

/** ` Without staging (CLUSTER_UNREACHABLE).`, for the text of an answer; empty where nothing is missing. */
export function withoutFailed(failed: readonly FleetFailure[] | undefined): string {
  if (failed === undefined || failed.length === 0) return '';
  return ` Without ${failed.map(({ cluster, code }) => `${cluster} (${code})`).join(', ')}.`;
}

function failureOf(cluster: string, error: unknown): FleetFailure {
  const { code, message, hint } = toCallError(error);
  return { cluster, code, message, hint };
}

function tooSlow(cluster: string, deadlineMs: number): CallError {
  return new CallError('TIMEOUT', `${cluster} did not answer within ${deadlineMs / 1000} s.`, {
    cluster,
    hint: 'Ask this cluster alone to give it more time, and look at cluster_health.',
  });
}

function allFailed(failed: readonly FleetFailure[]): CallError {
  const each = failed.map(({ cluster, code, message }) => `${cluster}: ${code}: ${message}`).join(' ');
  const codes = new Set(failed.map(({ code }) => code));
  return new CallError(
    codes.size === 1 && codes.has('TIMEOUT') ? 'TIMEOUT' : 'CLUSTER_UNREACHABLE',
    `No cluster answered. ${each}`,
    {
      hint: failed[0]?.hint ?? 'Look at cluster_health.',
    },
  );
}

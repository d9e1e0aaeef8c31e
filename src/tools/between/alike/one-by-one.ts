import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import { type CallError, toCallError } from '../../../proxmox/errors.ts';
import type { ToolContext } from '../../define.ts';
import { unfitting } from '../../refusals.ts';

/** Why a cluster's part was not done; of an approval that is needed the hint holds what to repeat the call with. */
export const problemFields = {
  code: z.string().optional(),
  message: z.string().optional(),
  hint: z.string().optional(),
};

export interface Problem {
  code: string;
  message: string;
  hint: string;
}

/** What became of one cluster's part. `waits`: an approval for another one comes first. */
export type Part<T> = { cluster: GatedCluster } & ({ answer: T } | { error: CallError } | { waits: true });

/**
 * Works on one cluster after another. Each has an approval of its own, and a call carries one handle: at the first that
 * still needs its approval the rest waits for the next call. One that fails costs its own part alone.
 *
 * @param work says in `wrote` whether anything was sent
 * @throws CallError APPROVAL_REQUIRED where nothing was sent before it; the error where every cluster failed; the
 *   reason of the call's signal
 */
export async function oneByOne<T extends { wrote: boolean }>(
  clusters: readonly GatedCluster[],
  context: ToolContext,
  work: (cluster: GatedCluster) => Promise<T>,
): Promise<Part<T>[]> {
  const parts: Part<T>[] = [];
  let asked: CallError | undefined;
  for (const cluster of clusters) {
    if (asked !== undefined) {
      parts.push({ cluster, waits: true });
      continue;
    }
    try {
      parts.push({ cluster, answer: await work(cluster) });
    } catch (thrown) {
      context.signal.throwIfAborted();
      const error = toCallError(thrown);
      if (error.code === 'APPROVAL_REQUIRED') asked = error;
      parts.push({ cluster, error });
    }
  }
  const hasWritten = parts.some((part) => 'answer' in part && part.answer.wrote);
  if (asked !== undefined && !hasWritten) throw asked;
  const errors = parts.flatMap((part) => ('error' in part ? [part.error] : []));
  if (errors[0] !== undefined && errors.length === parts.length) throw errors[0];
  return parts;
}

/** As rows of an answer have it. */
export function problemOf({ code, message, hint }: CallError): Problem {
  return { code, message, hint };
}

/**
 * The clusters of these names, each once and with no fallback in its place: another cluster's answer is none.
 *
 * @param names all that the caller sees where absent
 * @throws CallError CLUSTER_NOT_FOUND in the words of every other tool
 */
export function clustersOf(context: ToolContext, names: readonly string[] | undefined): GatedCluster[] {
  if (names === undefined) return context.fleet(undefined).clusters.map((cluster) => cluster.alone());
  const found = names.map((name) => context.cluster(name).alone());
  const twice = found.find(({ name }, index) => found.findIndex((one) => one.name === name) !== index);
  if (twice !== undefined) throw unfitting(`${twice.name} is named twice`);
  return found;
}

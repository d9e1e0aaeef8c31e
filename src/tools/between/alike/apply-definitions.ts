import type { GatedCluster } from '../../../access/gate.ts';
import { CallError, type ErrorCode, toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { unfitting } from '../../refusals.ts';
import { count } from '../../results.ts';
import type { Kind } from './definition.ts';
import type { Difference } from './differences.ts';
import { type Problem, problemOf } from './one-by-one.ts';
import { DEFINITION_KINDS } from './readings.ts';

/** More than a person reads in one plan. */
const MOST_WRITES = 300;

/** After these nothing more is to be had from the cluster. */
const NO_ANSWER: readonly ErrorCode[] = ['CLUSTER_UNREACHABLE', 'TIMEOUT', 'UPSTREAM_AUTH'];

/** What became of a difference. */
export type Applied = { result: 'applied' | 'not_started' } | ({ result: 'failed' } & Problem);

/**
 * Makes a cluster alike: one approval for all, then one after another. What fails costs itself and what rests on it,
 * and the same call does the rest another time.
 *
 * @throws CallError of the approval or the policy, before anything is sent; the reason of the call's signal
 */
export async function applyDifferences(
  cluster: GatedCluster,
  from: string,
  differences: readonly Difference[],
  context: ToolContext,
): Promise<Map<Difference, Applied>> {
  const due = differences.filter(({ writes }) => writes.length > 0);
  const requests = due.flatMap(({ writes }) => writes.map(({ request }) => request));
  if (requests.length === 0) return new Map();
  if (requests.length > MOST_WRITES) {
    throw unfitting(
      `${cluster.name} would take ${count(requests.length, 'change')}, and one call makes ${MOST_WRITES}: narrow it with kinds or names`,
    );
  }
  const notes = [
    `Makes ${cluster.name} as ${from} is, in this order:`,
    ...due.map((one, index) => `${index + 1}. ${inWords(one)}`),
  ];
  await cluster.approve(requests, { notes, atLeast: 'self' });
  const results = new Map<Difference, Applied>();
  const failed = new Set<Kind>();
  let isOver = false;
  for (const one of due) {
    context.signal.throwIfAborted();
    const { needs } = DEFINITION_KINDS[one.kind];
    const waits = isOver || needs.some((kind) => failed.has(kind));
    const applied = waits ? { result: 'not_started' as const } : await send(cluster, one, context);
    results.set(one, applied);
    if (applied.result !== 'applied') failed.add(one.kind);
    if (applied.result === 'failed') isOver ||= NO_ANSWER.some((code) => code === applied.code);
    context.progress({
      progress: results.size,
      total: due.length,
      message: `${one.name}: ${applied.result}`,
    });
  }
  return results;
}

async function send(cluster: GatedCluster, { writes }: Difference, context: ToolContext): Promise<Applied> {
  let sent = 0;
  try {
    for (const { request, check } of writes) {
      await check?.();
      await cluster.request(request);
      sent += 1;
    }
    return { result: 'applied' };
  } catch (thrown) {
    context.signal.throwIfAborted();
    const error = toCallError(thrown);
    const { code, message, hint } = error;
    if (sent === 0) return { result: 'failed', ...problemOf(error) };
    const half = new CallError(code, `${sent} of its ${writes.length} writes were made, then: ${message}`, {
      hint: `${hint} The same call plans what is left anew.`,
    });
    return { result: 'failed', ...problemOf(half) };
  }
}

const DOING = { missing: 'Makes', different: 'Changes', only_there: 'Deletes' } as const;

/** `Makes the alias office: cidr 10.0.0.0/8`: a line of the plan. */
function inWords({ kind, name, status, details }: Difference): string {
  const what = `${DOING[status]} the ${DEFINITION_KINDS[kind].word} ${quoted(name)}`;
  return details.length === 0 ? `${what}.` : `${what}: ${details.join('; ')}.`;
}

import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';

/** Nodes that an answer lacks, and why. */
export const unreadNodes = z.array(z.object({ node: z.string(), problem: z.string() })).optional();

interface PerNode<T> {
  answers: { node: string; answer: T }[];
  unread?: { node: string; problem: string }[];
}

/**
 * Asks one node, or each that is online; one that fails costs its own part alone.
 *
 * @throws CallError where one was named, or none answered
 */
export async function perNode<T>(
  cluster: GatedCluster,
  named: string | undefined,
  ask: (node: string) => Promise<T>,
): Promise<PerNode<T>> {
  if (named !== undefined) return { answers: [{ node: named, answer: await ask(named) }] };
  const nodes = (await cluster.inventory()).nodes.map(({ node }) => node).sort();
  const errors: unknown[] = [];
  const unread: { node: string; problem: string }[] = [];
  const asked = nodes.map(async (node) => {
    try {
      return [{ node, answer: await ask(node) }];
    } catch (thrown) {
      errors.push(thrown);
      const { code, message } = toCallError(thrown);
      unread.push({ node, problem: `${code}: ${message}` });
      return [];
    }
  });
  const answers = (await Promise.all(asked)).flat();
  if (answers.length === 0 && errors.length > 0) throw errors[0];
  return { answers, ...(unread.length === 0 ? {} : { unread }) };
}

/** ` Without pve2.`, for the end of a sentence. */
export function withoutNodes(unread: readonly { node: string }[] | undefined): string {
  return unread?.length
    ? ` Without ${someOf(unread.map(({ node }) => quoted(node)))} (\`unread\` says why).`
    : '';
}

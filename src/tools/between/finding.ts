import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';
import { count } from '../results.ts';

/** What was found before a guest goes to another cluster, and what a person does about it. */
export interface Finding {
  severity: 'blocks' | 'warns';
  what: string;
  do: string;
}

export const findingRows = z
  .array(z.object({ severity: z.enum(['blocks', 'warns']), what: z.string(), do: z.string() }))
  .describe('All at once; those that block come first.');

export function blocks(what: string, advice: string): Finding {
  return { severity: 'blocks', what, do: advice };
}

export function warns(what: string, advice: string): Finding {
  return { severity: 'warns', what, do: advice };
}

export function blockers(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity === 'blocks');
}

/** Each once, those that block first. */
export function sorted(findings: readonly Finding[]): Finding[] {
  const once = [...new Map(findings.map((finding) => [finding.what, finding])).values()];
  return [...blockers(once), ...once.filter(({ severity }) => severity === 'warns')];
}

/**
 * Refuses where anything blocks, with all of it.
 *
 * @throws CallError CONFLICT; POLICY_DENIED where the cluster is read-only, whatever else there is
 */
export function requireUnblocked(
  cluster: Pick<GatedCluster, 'name' | 'settings'>,
  findings: readonly Finding[],
): void {
  const blocking = blockers(findings);
  if (blocking.length === 0) return;
  const all = blocking.map(({ what, do: advice }, index) => `(${index + 1}) ${what} ${advice}`);
  const code = cluster.settings.readOnly ? 'POLICY_DENIED' : 'CONFLICT';
  throw new CallError(code, `${count(blocking.length, 'finding')} against it: ${all.join(' ')}`, {
    cluster: cluster.name,
    hint: 'Nothing was sent. action=check shows everything, warnings too.',
    retryable: false,
  });
}

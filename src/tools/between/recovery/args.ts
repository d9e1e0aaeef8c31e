import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { nodeParam, storageParam } from '../../defaults.ts';
import type { ToolContext } from '../../define.ts';
import { clusterParam, listOf, textParam } from '../../params.ts';
import { unfitting } from '../../refusals.ts';

/** By the bridge that was saved: the bridge where the guest goes. */
export const bridgeMapParam = z.record(textParam(15), textParam(15)).optional();

/** What failover_plan and failover_run are asked alike. */
export const failoverParams = {
  cluster: clusterParam.describe('That fails.'),
  to: textParam().optional().describe('Default: its `fallback`.'),
  tag: textParam().optional(),
  pool: textParam().optional(),
  leave_out: listOf(textParam(), 200).optional().describe('VMIDs, names.'),
  backup_storage: storageParam.describe('Of the target.'),
  storage: storageParam.describe('For the disks.'),
  target_node: nodeParam,
  bridge_map: bridgeMapParam.describe('{source: target}'),
  start: z.boolean().default(true).describe('Those that ran.'),
};

export type FailoverArgs = z.output<z.ZodObject<typeof failoverParams>>;

/**
 * The cluster that fails, and the one that takes its guests.
 *
 * @throws CallError INVALID_ARGUMENTS where nothing says which that is; CONFLICT where it takes no writes
 */
export function clustersOf(
  { cluster, to }: Pick<FailoverArgs, 'cluster' | 'to'>,
  context: ToolContext,
): { source: GatedCluster; target: GatedCluster } {
  const source = context.cluster(cluster).alone();
  const named = to ?? source.settings.fallback;
  if (named === undefined) {
    throw new CallError('INVALID_ARGUMENTS', `${source.name} has no fallback cluster.`, {
      cluster: source.name,
      hint: 'Pass `to`, or have the operator set `fallback` for the cluster. Nothing was sent.',
    });
  }
  const target = context.cluster(named).alone();
  if (target.name === source.name)
    throw unfitting(`${source.name} can't take its own guests: \`to\` names it`);
  return { source, target };
}

import type { Tool } from '../define.ts';
import { syncDefinitions } from './alike/sync-definitions.ts';
import { syncTemplates } from './alike/sync-templates.ts';
import { backupGuestToCluster } from './backup/backup-guest-to-cluster.ts';
import { drainNode } from './balance/drain-node.ts';
import { placement } from './balance/placement.ts';
import { rebalancePlan } from './balance/rebalance-plan.ts';
import { costReport } from './cost/cost-report.ts';
import { migrateGuestBetweenClusters } from './migration/migrate-guest-between-clusters.ts';
import { failback } from './recovery/failback.ts';
import { failoverPlan } from './recovery/failover-plan.ts';
import { failoverRun } from './recovery/failover-run.ts';
import { listClusterReplication } from './replication/list-cluster-replication.ts';
import { runClusterReplication } from './replication/run-cluster-replication.ts';
import { saveClusterReplication } from './replication/save-cluster-replication.ts';

/** The toolset `between`, in the order in which clients see it. */
export const BETWEEN_TOOLS: readonly Tool[] = [
  migrateGuestBetweenClusters,
  backupGuestToCluster,
  failoverPlan,
  failoverRun,
  failback,
  syncTemplates,
  syncDefinitions,
  saveClusterReplication,
  listClusterReplication,
  runClusterReplication,
  placement,
  rebalancePlan,
  drainNode,
  costReport,
];

import type { Cluster } from '../../clusters/cluster.ts';
import { type Asking, judgeRead, type Rules, SERVICE_READS } from '../judge.ts';
import type { JobState } from './job.ts';
import type { Jobs, KnownJob } from './jobs.ts';

export interface JobFilter {
  cluster?: string | undefined;
  state?: JobState | undefined;
  /** VMID. */
  guest?: number | undefined;
  /** Only what the caller started itself. */
  mine?: boolean | undefined;
}

/** The jobs as one caller may see them. */
export interface VisibleJobs {
  /** Newest first; asks no cluster. */
  list(filter: JobFilter): readonly KnownJob[];
}

const TASK_LIST = '/cluster/tasks';

/**
 * Shows a caller its own jobs on the clusters that it sees, and those of others where it may read the cluster's list of
 * tasks anyway. A tenant sees its own alone: whose guest a VMID was when a task began is known to nobody later.
 *
 * @param clusters those of the door that the caller came through
 */
export function visibleJobs(
  { jobs, ...rules }: Rules & { jobs: Jobs },
  asking: Asking,
  clusters: readonly Cluster[],
): VisibleJobs {
  const { principal } = asking;
  return {
    list: ({ mine = false, ...filter }) => {
      const seen = clusters.filter(
        (cluster) => judgeRead(rules, asking, cluster, SERVICE_READS.version).allowed,
      );
      const isTenant = rules.policy.tenantOf(principal) !== undefined;
      const open = mine || isTenant ? [] : seen.filter((cluster) => readsTasks(rules, asking, cluster));
      return jobs.list({
        ...filter,
        principalId: principal.id,
        own: [...namesOf(seen), ...removed(jobs, principal.id, clusters)],
        everybody: namesOf(open),
      });
    },
  };
}

/** By list_tasks, and by the tool that asks: a grant may name either. */
function readsTasks(rules: Rules, asking: Asking, cluster: Cluster): boolean {
  return [asking, { ...asking, tool: 'list_tasks' }].every(
    (who) => judgeRead(rules, who, cluster, TASK_LIST).allowed,
  );
}

/** Clusters that are not configured any more: at a door to one cluster alone, nothing is said of them. */
function removed(jobs: Jobs, principalId: string, clusters: readonly Cluster[]): string[] {
  if (clusters.length < jobs.configured().length) return [];
  return jobs.clustersOf(principalId).filter((name) => !jobs.configured().includes(name));
}

function namesOf(clusters: readonly Cluster[]): string[] {
  return clusters.map(({ name }) => name);
}

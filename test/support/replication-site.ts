import type { SimulatedCluster } from '../../src/simulator/simulator.ts';
import type { Guest } from '../../src/simulator/state/guest.ts';
import { type Answer, type ToolClient, type ToolClientOptions, toolClient } from './tool-client.ts';

type Args = Record<string, unknown>;

/** Of production, to the cluster that shares an export of backups with it. */
export const BUILD = {
  job: 'build',
  cluster: 'production',
  vmid: 103,
  to: 'disaster-recovery',
  every_minutes: 60,
} as const;

export interface ReplicationSite extends ToolClient {
  target: SimulatedCluster;
  /** Saves a replication, with its plan applied. */
  save(args?: Args): Promise<Answer>;
  run(job?: string): Promise<Answer>;
  /** The row of a job. */
  row(job?: string): Promise<Answer>;
  replica(vmid: number): Guest | undefined;
  /** Writes that were carried out, as `METHOD /path`, of both clusters in their order. */
  acts(): string[];
}

/** A client of a service over the two clusters. */
export async function replicationSite(options: ToolClientOptions = {}): Promise<ReplicationSite> {
  const site = await toolClient({ clusters: ['production', 'disaster-recovery'], ...options });
  const target = site.simulator.cluster('disaster-recovery');
  return {
    ...site,
    target,
    save: (args = BUILD) => saved(site, args),
    run: (job = 'build') => site.call('run_cluster_replication', { job }),
    row: async (job = 'build') => (await site.call('list_cluster_replication', { job })).jobs[0],
    replica: (vmid) => target.state.guests.get(vmid),
    acts: () => [site.production, target].flatMap((cluster) => actsOf(cluster)),
  };
}

async function saved(site: ToolClient, args: Args): Promise<Answer> {
  const { plan } = await site.refused('save_cluster_replication', args);
  return site.call('save_cluster_replication', { ...args, handle: plan.handle });
}

export function actsOf({ requests }: SimulatedCluster): string[] {
  return requests
    .filter(({ method, status = 500 }) => method !== 'GET' && status < 400)
    .map(({ method, path }) => `${method} ${path.replace('/api2/json', '')}`);
}

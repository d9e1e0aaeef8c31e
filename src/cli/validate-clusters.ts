import type { Logger } from 'pino';
import type { ClusterDirectory, ClusterHealth } from '../clusters/cluster.ts';

/**
 * Asks all clusters at once whether they answer, and logs each and a summary. Whatever it finds, the service runs: a
 * cluster that is down at the start is noticed when it comes back. Takes as long as one probe at most; never throws.
 */
export async function validateClusters(
  clusters: Pick<ClusterDirectory, 'list'>,
  logger: Logger,
): Promise<void> {
  const found = await Promise.all(
    clusters.list().map(async (cluster) => {
      using _lease = cluster.lease();
      const health = await cluster.health();
      logHealth(health, logger.child({ cluster: cluster.name }));
      return { name: cluster.name, health };
    }),
  );
  const silent = found.flatMap(({ name, health }) =>
    health.reachable ? [] : [`${name} does not: ${health.code}: ${health.message}`],
  );
  const summary = `${found.length - silent.length} of ${found.length} clusters answer`;
  if (silent.length === 0) logger.info(summary);
  else logger.warn(`${summary}; ${silent.join(' ')}`);
}

function logHealth(health: ClusterHealth, logger: Logger): void {
  if (health.reachable) {
    logger.info({ version: health.version, latency_ms: health.latencyMs }, 'cluster answers');
  } else {
    logger.warn({ code: health.code, problem: health.message }, 'cluster does not answer');
  }
}

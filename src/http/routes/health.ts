import type { FastifyInstance } from 'fastify';
import type { AppParts } from '../parts.ts';

/** A cluster that has not said by then how it is counts as not answering: whoever asks gives up after a second. */
const PATIENCE_MS = 800;

/** Why the service can't do its work, or what of it. */
type Readiness =
  | { code: 200; status: 'ready' | 'degraded' }
  | {
      code: 503;
      status: 'no cluster answers' | 'calls can not be recorded' | 'state can not be used';
    };

interface Found {
  isReached: boolean;
  isRecording: boolean;
  isStateUsable: boolean;
  /** Undefined where there is one replica alone. */
  isRedisUp: boolean | undefined;
}

/**
 * `/healthz`: the process answers. `/readyz`: 200 where the service can do its work; docs/alerts.md has the table. Both
 * are open, so neither names an address. Once the service drains, Fastify answers 503 in their place. Nothing is asked that the probes have asked lately.
 */
export function healthRoutes(
  app: FastifyInstance,
  { clusters, audit, state, redis }: Pick<AppParts, 'clusters' | 'audit' | 'state' | 'redis'>,
): void {
  app.get('/healthz', { config: { open: true, unlimited: true } }, async () => ({ status: 'ok' }));

  app.get('/readyz', { config: { open: true, unlimited: true } }, async (_request, reply) => {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const states = await Promise.all(
      clusters.list().map(async (cluster) => {
        // A reload, or the end of its client's time, must not close it meanwhile.
        using _lease = cluster.lease();
        const health = await cluster.health(patience);
        return {
          name: cluster.name,
          reachable: health.reachable,
          ...(health.reachable ? {} : { problem: health.code }),
        };
      }),
    );
    const found: Found = {
      isReached: states.some(({ reachable }) => reachable),
      isRecording: audit?.healthy().ok ?? true,
      isStateUsable: state?.isHealthy() ?? true,
      isRedisUp: redis?.isUp(),
    };
    const { code, status } = readinessOf(found);
    return reply.code(code).send({
      status,
      clusters: states,
      ...(audit === undefined ? {} : { audit: inWord(found.isRecording) }),
      ...(state === undefined ? {} : { state: inWord(found.isStateUsable) }),
      ...(found.isRedisUp === undefined ? {} : { redis: inWord(found.isRedisUp) }),
    });
  });
}

/**
 * Without Redis reads go on, and all replicas lose it at once: taking them all out would end what still works, and help
 * nothing. What only this replica lacks (its record, its state, its way to the clusters) another one may have.
 */
function readinessOf({ isReached, isRecording, isStateUsable, isRedisUp }: Found): Readiness {
  if (!isReached) return { code: 503, status: 'no cluster answers' };
  if (!isRecording) return { code: 503, status: 'calls can not be recorded' };
  const isShared = isRedisUp !== undefined;
  if (!isStateUsable && !isShared) return { code: 503, status: 'state can not be used' };
  return { code: 200, status: isStateUsable && isRedisUp !== false ? 'ready' : 'degraded' };
}

function inWord(isWell: boolean): 'ok' | 'failing' {
  return isWell ? 'ok' : 'failing';
}

import type { FastifyInstance } from 'fastify';
import type { AppParts } from '../parts.ts';

/**
 * `/healthz`: the process answers. `/readyz`: at least one cluster answers, and which ones do not, as the last probe
 * found them, and calls can be recorded; where there was no probe lately they are asked, which takes five seconds at most. Both without a token, so
 * neither names an address.
 */
export function healthRoutes(app: FastifyInstance, { clusters, audit }: AppParts): void {
  app.get('/healthz', { config: { open: true, unlimited: true } }, async () => ({ status: 'ok' }));

  app.get('/readyz', { config: { open: true, unlimited: true } }, async (_request, reply) => {
    const states = await Promise.all(
      clusters.list().map(async (cluster) => {
        // A reload, or the end of its client's time, must not close it meanwhile.
        using _lease = cluster.lease();
        const health = await cluster.health();
        return {
          name: cluster.name,
          reachable: health.reachable,
          ...(health.reachable ? {} : { problem: health.code }),
        };
      }),
    );
    const isRecording = audit === undefined || audit.healthy().ok;
    const isReached = states.some((state) => state.reachable);
    const status = isReached ? (isRecording ? 'ready' : 'calls can not be recorded') : 'no cluster answers';
    return reply.code(isReached && isRecording ? 200 : 503).send({
      status,
      clusters: states,
      ...(audit === undefined ? {} : { audit: isRecording ? 'ok' : 'failing' }),
    });
  });
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AppParts } from '../parts.ts';
import { takeOver } from '../take-over.ts';
import { withinRequest } from '../within-request.ts';

/** The HTTP+SSE transport: the token is checked on the stream's GET and on each POST, like everywhere. */
export function sseRoutes(app: FastifyInstance, { clusters, sse, tracing }: AppParts): void {
  app.get('/sse', { exposeHeadRoute: false }, async (request: FastifyRequest, reply: FastifyReply) => {
    await withinRequest(tracing, request, reply, () => sse.open(takeOver(request, reply, clusters)));
  });

  app.post<{ Querystring: { sessionId?: string } }>('/messages', async (request, reply) => {
    const sessionId = String(request.query.sessionId ?? '');
    await withinRequest(tracing, request, reply, () =>
      sse.message(takeOver(request, reply, clusters), sessionId),
    );
  });
}

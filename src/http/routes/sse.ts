import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AppParts } from '../parts.ts';
import { takeOver } from '../take-over.ts';

/** The HTTP+SSE transport: the token is checked on the stream's GET and on each POST, like everywhere. */
export function sseRoutes(app: FastifyInstance, { clusters, sse }: AppParts): void {
  app.get('/sse', { exposeHeadRoute: false }, async (request: FastifyRequest, reply: FastifyReply) => {
    await sse.open(takeOver(request, reply, clusters));
  });

  app.post<{ Querystring: { sessionId?: string } }>('/messages', async (request, reply) => {
    await sse.message(takeOver(request, reply, clusters), String(request.query.sessionId ?? ''));
  });
}

import type { FastifyError, FastifyInstance } from 'fastify';
import { rpcError } from '../../mcp/messages.ts';
import { RefusedBody } from '../json-bodies.ts';

/**
 * What a client reads when a request fails before a door takes it. A 5xx says nothing of its cause; the log does.
 */
export function errors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) {
      request.log.error({ err: error }, 'request failed');
      return reply
        .code(status)
        .send({ error: 'internal', message: 'The server failed; its log has the cause.' });
    }
    if (error instanceof RefusedBody) {
      return reply.code(status).send(rpcError(-32600, `Invalid Request: ${error.message}`));
    }
    if (/INVALID_JSON|EMPTY_JSON/.test(error.code)) {
      return reply.code(status).send(rpcError(-32700, 'Parse error: the body is not valid JSON.'));
    }
    return reply.code(status).send({ error: error.code ?? 'bad_request', message: error.message });
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: 'not_found',
      message: `Nothing is served at ${request.method} ${request.url.split('?')[0]}. MCP clients use /mcp or /sse.`,
    }),
  );
}

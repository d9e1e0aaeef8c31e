import type { FastifyInstance } from 'fastify';
import { readToolsets, TOOLSET_NAMES } from '../../config/toolsets.ts';

/** Most of what is quoted of a wrong header. */
const QUOTED = 100;

/** Refuses a request whose X-MCP-Toolsets names what there is not: it would offer less than was meant, without a word. */
export function checkToolsets(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const named = request.headers['x-mcp-toolsets'];
    if (named === undefined) return done();
    const read = readToolsets(String(named).split(','));
    if ('toolsets' in read) return done();
    const unknown = JSON.stringify(read.unknown.join(',').slice(0, QUOTED));
    reply.code(400).send({
      error: 'unknown_toolset',
      message: `X-MCP-Toolsets names ${unknown}, which is no toolset. There are: ${TOOLSET_NAMES}.`,
    });
  });
}

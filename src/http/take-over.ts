import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { DoorRequest } from '../mcp/door.ts';

/**
 * Takes the response out of Fastify's hands for a door, which writes to it by itself. The headers that plugins have
 * set (CORS, security) are carried over, because a hijacked reply loses them.
 */
export function takeOver<R extends FastifyRequest>(
  request: R,
  reply: FastifyReply,
  directory: ClusterDirectory,
): DoorRequest {
  const { principal } = request;
  if (!principal) throw new Error('a door was opened without a principal');
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    // Most are there already, and each is checked anew when it is set.
    if (value !== undefined && !reply.raw.hasHeader(name)) reply.raw.setHeader(name, value);
  }
  reply.hijack();
  return { request: request.raw, response: reply.raw, body: request.body, principal, directory };
}

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { DoorRequest } from '../mcp/door.ts';

/** What @fastify/cors sets on the reply of a request that is no preflight. */
const CORS_HEADERS = [
  'vary',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
];

/**
 * Takes the response out of Fastify's hands for a door, which writes to it by itself. The headers of CORS are carried
 * over, because a hijacked reply loses what was set on it; all others are set on the response itself.
 */
export function takeOver<R extends FastifyRequest>(
  request: R,
  reply: FastifyReply,
  directory: ClusterDirectory,
): DoorRequest {
  const { principal } = request;
  if (!principal) throw new Error('a door was opened without a principal');
  for (const name of CORS_HEADERS) {
    const value = reply.getHeader(name);
    if (value !== undefined) reply.raw.setHeader(name, value);
  }
  reply.hijack();
  return { request: request.raw, response: reply.raw, body: request.body, principal, directory };
}

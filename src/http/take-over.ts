import type { OutgoingHttpHeader } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { DoorRequest } from '../mcp/door.ts';

/**
 * Takes the response out of Fastify's hands for a door, which writes to it by itself. A hijacked reply loses the headers
 * that the plugins have set on it, so the door is handed those.
 */
export function takeOver<R extends FastifyRequest>(
  request: R,
  reply: FastifyReply,
  directory: ClusterDirectory,
): DoorRequest {
  const { principal } = request;
  if (!principal) throw new Error('a door was opened without a principal');
  const headers: OutgoingHttpHeader[] = [];
  const set = reply.getHeaders();
  for (const name in set) headers.push(name, set[name] ?? '');
  reply.hijack();
  return { request: request.raw, response: reply.raw, headers, body: request.body, principal, directory };
}

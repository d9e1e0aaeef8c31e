import type { OutgoingHttpHeader } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { DoorRequest, HeaderList } from '../mcp/door.ts';
import { SECURITY_HEADERS } from './plugins/security-headers.ts';

const ON_ALL = listOf(SECURITY_HEADERS);

/** What the answer to a hijacked request has to bear: by itself it would lose what the plugins have set on the reply. */
export function headersOf(reply: FastifyReply): HeaderList {
  return [...ON_ALL, ...listOf(reply.getHeaders())];
}

/** Takes the response out of Fastify's hands for a door, which writes to it by itself. */
export function takeOver<R extends FastifyRequest>(
  request: R,
  reply: FastifyReply,
  directory: ClusterDirectory,
): DoorRequest {
  const { principal } = request;
  if (!principal) throw new Error('a door was opened without a principal');
  const headers = headersOf(reply);
  reply.hijack();
  return { request: request.raw, response: reply.raw, headers, body: request.body, principal, directory };
}

function listOf(headers: Readonly<Record<string, OutgoingHttpHeader | undefined>>): OutgoingHttpHeader[] {
  const list: OutgoingHttpHeader[] = [];
  for (const name in headers) list.push(name, headers[name] ?? '');
  return list;
}

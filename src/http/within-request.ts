import type { FastifyReply, FastifyRequest } from 'fastify';
import { isListen } from '../mcp/subscriptions.ts';
import { inRequest } from '../observability/request-context.ts';
import { remoteSpan, type Span, type Tracing } from '../observability/tracing.ts';

/**
 * Does the work of a request so that its log lines, its records and its trace say whose they are. Fastify's own hooks
 * are no place for that: the body comes in events of the socket, which belong to no request.
 *
 * @param tracing absent where it is off
 */
export function withinRequest<T>(
  tracing: Tracing | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
  work: () => T,
): T {
  const span = tracing && begin(tracing, request, reply);
  return inRequest({ requestId: request.id, span }, work);
}

/** A stream is open for days and is no piece of work: none of these. */
function begin(tracing: Tracing, request: FastifyRequest, reply: FastifyReply): Span | undefined {
  const { method, body, headers, routeOptions } = request;
  if (method !== 'POST' || isListen(body)) return undefined;
  const route = routeOptions.url ?? '';
  const span = tracing.begin(`${method} ${route}`, {
    kind: 'server',
    parent: remoteSpan(headers.traceparent),
    attributes: { 'http.request.method': method, 'http.route': route, 'proxmox.request_id': request.id },
  });
  reply.raw.once('close', () => {
    const { statusCode } = reply.raw;
    span.set({ 'http.response.status_code': statusCode });
    span.end(statusCode >= 500 ? String(statusCode) : undefined);
  });
  return span;
}

import type { FastifyRequest } from 'fastify';
import { rpcError } from '../mcp/messages.ts';

const MCP_DOORS = /^\/(?:mcp|sse|messages)(?:\/|$)/;

/**
 * What a request reads that is turned away for now. The doors answer in JSON-RPC, whose words MCP clients show.
 *
 * @param error the word for who reads plain JSON
 */
export function refusalBody(
  request: FastifyRequest,
  message: string,
  { error, retryAfterSeconds }: { error: string; retryAfterSeconds: number },
): object {
  const facts = { retry_after_seconds: retryAfterSeconds };
  if (!MCP_DOORS.test(request.routeOptions.url ?? '')) return { error, message, ...facts };
  const { error: problem, ...envelope } = rpcError(-32000, message);
  return { ...envelope, error: { ...problem, data: { code: 'RATE_LIMITED', ...facts } } };
}

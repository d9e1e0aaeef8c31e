import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { answer, ready } from '../../mcp/door.ts';
import { rpcError } from '../../mcp/messages.ts';
import { HOP_HEADER, signHop } from '../../replicas/hop.ts';
import type { ReplicaRegistry } from '../../replicas/registry.ts';
import { Forwarder, passedOn } from '../forward.ts';
import { headersOf } from '../take-over.ts';
import { REQUEST_ID_HEADER } from './request-ids.ts';

/** Where sessions are spoken to. */
const SESSION_ROUTE = /^\/(?:mcp|messages)(?:\/|$)/;
const OWNER = /^([0-9a-f]{12})[.]/;

export interface ForwardingParts {
  replicas?: ReplicaRegistry | undefined;
  logger: Logger;
}

/** Requests of this replica's clients that others serve. */
export interface Forwards {
  /** Waits for those that are no streams, `milliseconds` at most. */
  settled(milliseconds: number): Promise<void>;
  /** Ends them all. */
  close(): void;
}

interface Forward {
  isStream: boolean;
  over: Promise<void>;
  end(): void;
}

/**
 * Sends a request for a session to the replica that holds it, and its answer back as it comes. The checks of this
 * replica are behind it by then; the other makes its own. What nobody takes goes on here, where the session is not
 * known, and is answered so. What was sent once is never sent again: it may be a write.
 */
export function forwarding(app: FastifyInstance, { replicas, logger }: ForwardingParts): Forwards {
  const forwarder = new Forwarder();
  const running = new Set<Forward>();

  if (replicas !== undefined) {
    app.addHook('onRequest', async (request, reply) => {
      if (!request.principal || !SESSION_ROUTE.test(request.routeOptions.url ?? '')) return;
      // Whoever sent it on believes that the session is here; sent on again, it might go round for ever.
      if (request.headers[HOP_HEADER] !== undefined) return;
      const name = ownerOf(request);
      const owner = name === undefined ? undefined : await replicas.find(name);
      if (owner === undefined) return;
      // So that the lines of both replicas name the same.
      if (request.headers[REQUEST_ID_HEADER] === undefined) {
        request.raw.rawHeaders.push(REQUEST_ID_HEADER, request.id);
      }
      const hop = signHop(request.raw, owner.key, request.ip);
      const upstream = await forwarder.connect(owner, request.raw, hop);
      if (upstream === undefined) {
        logger.warn({ replica: owner.name }, 'a replica is not reached: its sessions count as gone');
        return;
      }
      take(reply);
      run(request, reply.raw, upstream);
    });
  }

  function run({ raw, method }: FastifyRequest, response: ServerResponse, upstream: ClientRequest): void {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const end = () => {
      upstream.destroy();
      response.destroy();
    };
    const forward = { isStream: method === 'GET', over, end };
    running.add(forward);
    response.once('close', () => {
      running.delete(forward);
      resolve();
    });
    relay(raw, response, upstream);
  }

  return {
    async settled(milliseconds) {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, milliseconds);
      const calls = [...running].filter(({ isStream }) => !isStream).map(({ over }) => over);
      await Promise.race([Promise.all(calls), late]);
      clearTimeout(timer);
    },
    close() {
      for (const { end } of running) end();
      forwarder.close();
    },
  };
}

/** The replica that a request's session names. */
function ownerOf({ headers, query, routeOptions }: FastifyRequest): string | undefined {
  if (routeOptions.url?.startsWith('/messages')) {
    const { replica } = query as { replica?: unknown };
    return typeof replica === 'string' ? replica : undefined;
  }
  return OWNER.exec(String(headers['mcp-session-id'] ?? ''))?.[1];
}

/** The headers that plugins have set, such as those of the limits, stay; the other replica's go over them. */
function take(reply: FastifyReply): void {
  ready({ response: reply.raw, headers: headersOf(reply) });
  reply.hijack();
}

function relay(request: IncomingMessage, response: ServerResponse, upstream: ClientRequest): void {
  // A client that goes away cancels its request, here as there.
  response.once('close', () => upstream.destroy());
  upstream.on('error', () => lost(request, response));
  upstream.once('close', () => {
    if (!response.headersSent) lost(request, response);
  });
  upstream.once('response', (incoming) => {
    const headers = passedOn(incoming.rawHeaders);
    for (let index = 0; index < headers.length; index += 2) {
      response.setHeader(headers[index] ?? '', headers[index + 1] ?? '');
    }
    response.writeHead(incoming.statusCode ?? 502);
    // A stream may be silent for a while after its beginning.
    response.flushHeaders();
    incoming.pipe(response);
    // An answer that breaks off must not look like one that is complete.
    incoming.once('close', () => incoming.complete || response.destroy());
  });
  request.pipe(upstream);
}

/**
 * The replica was lost after the request had begun to leave. Of a POST nobody knows what became of it: a 404 would have
 * clients send it again in a new session.
 */
function lost({ method }: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else if (response.destroyed) return;
  else if (method === 'POST') answer({ response, headers: [] }, 502, OUTCOME_UNKNOWN);
  else answer({ response, headers: [] }, 404, SESSION_GONE);
}

const SESSION_GONE = rpcError(-32001, 'Session not found: send initialize to start a new one.');
const OUTCOME_UNKNOWN = unknownOutcome();

function unknownOutcome() {
  const { error, ...envelope } = rpcError(
    -32000,
    'The replica that holds this session was lost while it had this request: it may have been carried out. ' +
      'Look at what it should have changed before you repeat it.',
  );
  return { ...envelope, error: { ...error, data: { code: 'INTERNAL', retryable: false } } };
}

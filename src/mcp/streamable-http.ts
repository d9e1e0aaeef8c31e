import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { Dispatcher } from './dispatcher.ts';
import { answer, type DoorRequest } from './door.ts';
import { createLegacyServer } from './legacy.ts';
import { answeredId, duplicateId, factsOf, rpcError } from './messages.ts';
import { createModernServer } from './modern.ts';
import { DEFAULT_LIMITS, type Session, type SessionLimits, SessionStore } from './sessions.ts';

export interface StreamableDoorOptions {
  dispatcher: Dispatcher;
  logger: Logger;
  newId: () => string;
  limits?: SessionLimits;
  /** A POST that has not been answered after this long is ended. */
  postDeadlineMs?: number;
}

type LegacySession = Session<StreamableHTTPServerTransport>;

const POST_DEADLINE_MS = 15 * 60_000;

/**
 * The door at `/mcp`. A request with a session id goes to its session; one without is either an `initialize`, which
 * opens a session of the legacy era, or a request of revision 2026-07-28, which is served by itself.
 */
export class StreamableHttpDoor {
  readonly #options: StreamableDoorOptions;
  readonly #sessions: SessionStore<StreamableHTTPServerTransport>;
  readonly #modern;

  constructor(options: StreamableDoorOptions) {
    this.#options = options;
    this.#sessions = new SessionStore(options.limits ?? DEFAULT_LIMITS);
    this.#modern = createMcpHandler(
      (context) => createModernServer(options.dispatcher, callerOf(context.authInfo)),
      {
        legacy: 'reject',
        onerror: (error) => options.logger.debug({ problem: error.message }, 'stateless request'),
      },
    );
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  async post(exchange: DoorRequest): Promise<void> {
    const { request, response, body } = exchange;
    this.#endAfterDeadline(response);
    const facts = factsOf(body);
    // Clients keep sending the id of a session that a restart has ended; `initialize` starts anew all the same.
    if (facts.initialize) return await this.#open(exchange);
    if (request.headers['mcp-session-id'] !== undefined) return await this.#continue(exchange);
    if (await isLegacyRequest(probe(request), body)) {
      return answer(
        response,
        400,
        rpcError(-32000, 'Bad Request: send initialize first, then its Mcp-Session-Id.'),
      );
    }
    await this.#serveStateless(exchange);
  }

  /** The stream of a session on which the server speaks first. */
  async get(exchange: DoorRequest): Promise<void> {
    const session = this.#find(exchange);
    if (!session) return;
    this.#sessions.hold(session, exchange.response);
    await session.transport.handleRequest(exchange.request, exchange.response);
  }

  async delete(exchange: DoorRequest): Promise<void> {
    const session = this.#find(exchange);
    if (!session) return;
    await session.transport.handleRequest(exchange.request, exchange.response);
    this.#sessions.remove(session.id);
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#sessions.closeAll(), this.#modern.close()]);
  }

  async #open({ request, response, body, principal, directory }: DoorRequest): Promise<void> {
    if (!this.#sessions.hasRoom()) {
      response.setHeader('retry-after', '60');
      return answer(response, 503, rpcError(-32000, 'Too many sessions are open; try again in a minute.'));
    }
    const { dispatcher, newId } = this.#options;
    const server = createLegacyServer(dispatcher, { principal, directory, door: 'streamable-http' });
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: newId,
      onsessioninitialized: (id) => {
        const session = this.#sessions.add({
          id,
          principalId: principal.id,
          directory,
          transport,
          close: () => server.close(),
        });
        this.#sessions.hold(session, response);
      },
    });
    // The v1 SDK's own class does not satisfy its Transport type under exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    this.#watchAnswers(transport);
    await transport.handleRequest(request, response, body);
  }

  async #continue(exchange: DoorRequest): Promise<void> {
    const { request, response, body } = exchange;
    const session = this.#find(exchange);
    if (!session) return;
    const { requestIds, cancelledIds } = factsOf(body);
    const duplicate = duplicateId(requestIds, session.inFlight);
    if (duplicate !== undefined) {
      const message = `Invalid Request: a request with the id ${JSON.stringify(duplicate)} is still being answered.`;
      return answer(response, 400, rpcError(-32600, message));
    }
    for (const id of requestIds) session.inFlight.set(id, response);
    this.#sessions.hold(session, response);
    response.once('close', () => forget(session, response));
    await session.transport.handleRequest(request, response, body);
    // A cancelled request is never answered (MCP, "Cancellation"): without this its POST would stay open.
    for (const id of cancelledIds) session.inFlight.get(id)?.end();
  }

  async #serveStateless({ request, response, body, principal, directory }: DoorRequest): Promise<void> {
    const handle = toNodeHandler(this.#modern, {
      onerror: (error) => this.#options.logger.warn({ problem: error.message }, 'stateless request'),
    });
    const auth = {
      token: '',
      clientId: principal.subject,
      scopes: [...principal.scopes],
      extra: { principal, directory },
    };
    await handle(Object.assign(request, { auth }) as Parameters<typeof handle>[0], response, body);
  }

  /** Gives the session of the header, or answers 400 or 404 and gives nothing. */
  #find({ request, response, principal, directory }: DoorRequest): LegacySession | undefined {
    const id = request.headers['mcp-session-id'];
    if (typeof id !== 'string') {
      answer(response, 400, rpcError(-32000, 'Bad Request: Mcp-Session-Id header is required.'));
      return undefined;
    }
    const session = this.#sessions.find(id, principal, directory);
    // Exactly 404 makes clients start a new session; anything else makes them give up (facts/mcp.md).
    if (!session)
      answer(response, 404, rpcError(-32001, 'Session not found: send initialize to start a new one.'));
    return session;
  }

  /** Takes an id out of flight when its answer is sent, which may be before the POST's stream has closed. */
  #watchAnswers(transport: StreamableHTTPServerTransport): void {
    const send = transport.send.bind(transport);
    transport.send = async (message, options) => {
      const id = answeredId(message);
      if (id !== undefined && transport.sessionId !== undefined)
        this.#sessions.answered(transport.sessionId, id);
      await send(message, options);
    };
  }

  #endAfterDeadline(response: ServerResponse): void {
    const timer = setTimeout(() => {
      if (response.headersSent) response.end();
      else answer(response, 504, rpcError(-32000, 'The request was not answered in time.'));
    }, this.#options.postDeadlineMs ?? POST_DEADLINE_MS);
    timer.unref();
    response.once('close', () => clearTimeout(timer));
  }
}

function forget(session: LegacySession, response: ServerResponse): void {
  for (const [id, waiting] of session.inFlight) if (waiting === response) session.inFlight.delete(id);
}

/** The SDK classifies by headers and body; the address plays no part in it. */
function probe(request: IncomingMessage): Request {
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  return new Request('http://localhost/mcp', { method: 'POST', headers });
}

/** The principal travels through the SDK in `authInfo.extra`, where `#serveStateless` put it. */
function callerOf(auth: { extra?: Record<string, unknown> } | undefined) {
  if (!auth?.extra) throw new Error('a stateless request came without its principal');
  const { principal, directory } = auth.extra as { principal: Principal; directory: ClusterDirectory };
  return { principal, directory, door: 'stateless' as const };
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type NodeMcpRequestHandler, toNodeHandler } from '@modelcontextprotocol/node';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.ts';
import { carried, carry } from './carried.ts';
import type { Dispatcher } from './dispatcher.ts';
import { answer, type DoorRequest, refuseSession } from './door.ts';
import { announceLists, createLegacyServer } from './legacy.ts';
import {
  answeredId,
  type BodyFacts,
  factsOf,
  refusalOf,
  rpcError,
  withoutNullArguments,
} from './messages.ts';
import { createModernServer } from './modern.ts';
import { DEFAULT_LIMITS, type Session, type SessionLimits, SessionStore } from './sessions.ts';
import { isListen, Subscriptions } from './subscriptions.ts';

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
  readonly #serveModern: NodeMcpRequestHandler;
  readonly #subscriptions: Subscriptions;

  constructor(options: StreamableDoorOptions) {
    this.#options = options;
    this.#sessions = new SessionStore(options.limits ?? DEFAULT_LIMITS);
    this.#subscriptions = new Subscriptions(options);
    this.#modern = createMcpHandler(
      ({ authInfo, requestInfo }) =>
        createModernServer(options.dispatcher, carried(authInfo, 'stateless'), {
          // The SDK has held this header against the body.
          withInstructions: requestInfo?.headers.get('mcp-method') === 'server/discover',
        }),
      {
        legacy: 'reject',
        onerror: (error) => options.logger.debug({ problem: error.message }, 'stateless request'),
      },
    );
    this.#serveModern = toNodeHandler(this.#modern, {
      onerror: (error) => options.logger.warn({ problem: error.message }, 'stateless request'),
    });
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  async post(exchange: DoorRequest): Promise<void> {
    const { request, response, body } = exchange;
    const isSubscription = isListen(body);
    if (!isSubscription) this.#endAfterDeadline(response);
    const facts = factsOf(body);
    // Clients keep sending the id of a session that a restart has ended; `initialize` starts anew all the same.
    if (facts.initialize && !facts.refusal) return await this.#open(exchange);
    if (request.headers['mcp-session-id'] !== undefined) return await this.#continue(exchange, facts);
    if (await isLegacyRequest(probe(request), body)) {
      return answer(
        response,
        400,
        rpcError(-32000, 'Bad Request: send initialize first, then its Mcp-Session-Id.'),
      );
    }
    if (isSubscription) await this.#subscriptions.open(exchange);
    else await this.#serveStateless(exchange);
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
    // The transport removes the session by `onsessionclosed`; a DELETE that it refuses leaves it as it is.
    await session.transport.handleRequest(exchange.request, exchange.response);
  }

  /** Ends the sessions that were opened by such a principal. */
  closeWhere(ends: (openedBy: Principal) => boolean): void {
    this.#sessions.closeWhere(ends);
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#sessions.closeAll(), this.#subscriptions.close(), this.#modern.close()]);
  }

  async #open({ request, response, body, principal, directory }: DoorRequest): Promise<void> {
    if (!this.#sessions.hasRoom(principal)) {
      return refuseSession(response, this.#sessions.hasMost(principal));
    }
    const { dispatcher, newId } = this.#options;
    const authorized = carry(request, principal, directory);
    const server = createLegacyServer(dispatcher, carried(authorized.auth, 'streamable-http'));
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: newId,
      onsessioninitialized: (id) => {
        const session = this.#sessions.add({
          id,
          principalId: principal.id,
          openedBy: principal,
          directory,
          transport,
          close: () => server.close(),
          forgotten: dispatcher.listChanges.subscribe(directory, {
            changed: (lists) => announceLists(server, lists),
            gone: () => void this.#sessions.retire(id),
          }),
        });
        this.#sessions.hold(session, response);
        watchAnswers(session);
      },
      onsessionclosed: (id) => this.#sessions.remove(id),
    });
    // The v1 SDK's own class does not satisfy its Transport type under exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    await transport.handleRequest(authorized, response, body);
  }

  async #continue(exchange: DoorRequest, facts: BodyFacts): Promise<void> {
    const { request, response, body, principal, directory } = exchange;
    const session = this.#find(exchange);
    if (!session) return;
    const refusal = refusalOf(facts, session.inFlight);
    if (refusal) return answer(response, 400, refusal);
    session.inFlight.take(facts.requestIds, response);
    this.#sessions.hold(session, response);
    // The SDK cancels while it handles the body, and may wait for the rest of a batch long after that.
    if (facts.cancelledIds.length > 0) setImmediate(() => session.inFlight.cancelled(facts.cancelledIds));
    const authorized = carry(request, principal, directory, session.id);
    await session.transport.handleRequest(authorized, response, withoutNullArguments(body));
  }

  async #serveStateless({ request, response, body, principal, directory }: DoorRequest): Promise<void> {
    const authorized = carry(request, principal, directory) as Parameters<NodeMcpRequestHandler>[0];
    await this.#serveModern(authorized, response, withoutNullArguments(body));
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

  #endAfterDeadline(response: ServerResponse): void {
    const timer = setTimeout(() => {
      if (response.headersSent) response.end();
      else answer(response, 504, rpcError(-32000, 'The request was not answered in time.'));
    }, this.#options.postDeadlineMs ?? POST_DEADLINE_MS);
    timer.unref();
    response.once('close', () => clearTimeout(timer));
  }
}

/** Gives an id back when its answer is sent, which may be before the POST's stream has closed. */
function watchAnswers({ transport, inFlight }: LegacySession): void {
  const send = transport.send.bind(transport);
  transport.send = async (message, options) => {
    const id = answeredId(message);
    if (id !== undefined) inFlight.answered(id);
    await send(message, options);
  };
}

/** The SDK classifies by headers and body; the address plays no part in it. */
function probe(request: IncomingMessage): Request {
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  return new Request('http://localhost/mcp', { method: 'POST', headers });
}

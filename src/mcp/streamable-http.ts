import type { IncomingMessage } from 'node:http';
import { type NodeMcpRequestHandler, toNodeHandler } from '@modelcontextprotocol/node';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, isLegacyRequest, SERVER_INFO_META_KEY } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.ts';
import type { AlertMessage } from './alert-news.ts';
import { carried, carry } from './carried.ts';
import { DirectSession } from './direct-session.ts';
import { DirectStateless } from './direct-stateless.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type Answering, answer, type DoorRequest, ready, refuseSession } from './door.ts';
import { IDENTITY } from './identity.ts';
import { announceAlert, announceLists, createLegacyServer, createLegacySession } from './legacy.ts';
import { ListBytes } from './list-bytes.ts';
import {
  answeredId,
  type BodyFacts,
  factsOf,
  refusalOf,
  rpcError,
  withoutNullArguments,
} from './messages.ts';
import { createModernServer } from './modern.ts';
import type { PlainRequest } from './plain-requests.ts';
import { DEFAULT_LIMITS, hasGone, type Session, type SessionLimits, SessionStore } from './sessions.ts';
import { isListen, Subscriptions } from './subscriptions.ts';

export interface StreamableDoorOptions {
  dispatcher: Dispatcher;
  logger: Logger;
  newId: () => string;
  limits?: SessionLimits;
  /** A POST that has not been answered after this long is ended. */
  postDeadlineMs?: number;
  /** What speaks the protocol behind this door; ours where absent. Conformance tests give servers with more features. */
  servers?: DoorServers;
}

/** Makes the server of a session, and that of a request of revision 2026-07-28. */
export interface DoorServers {
  legacy: typeof createLegacyServer;
  modern: typeof createModernServer;
}

const SERVERS: DoorServers = { legacy: createLegacyServer, modern: createModernServer };

type OpenSession = Session<SessionTransport>;

/** What leads to a session: the SDK's transport, and where the server is ours the short way past it. */
interface SessionTransport {
  sdk: StreamableHTTPServerTransport;
  /** Tells the client of an alert, where it holds a stream. */
  tell(message: AlertMessage): void;
  direct?: DirectSession | undefined;
}

/** What the SDK adds to the result of a list. */
const MODERN_RESULT = {
  resultType: 'complete',
  ttlMs: 0,
  cacheScope: 'private',
  _meta: { [SERVER_INFO_META_KEY]: IDENTITY },
};
const POST_DEADLINE_MS = 15 * 60_000;

/**
 * The door at `/mcp`. A request with a session id goes to its session; one without is either an `initialize`, which
 * opens a session of the legacy era, or a request of revision 2026-07-28, which is served by itself.
 */
export class StreamableHttpDoor {
  readonly #options: StreamableDoorOptions;
  readonly #sessions: SessionStore<SessionTransport>;
  readonly #modern;
  readonly #serveModern: NodeMcpRequestHandler;
  readonly #subscriptions: Subscriptions;
  readonly #servers: DoorServers;
  readonly #lists = new ListBytes(MODERN_RESULT);
  readonly #direct: DirectStateless;

  constructor(options: StreamableDoorOptions) {
    this.#options = options;
    this.#servers = options.servers ?? SERVERS;
    this.#direct = new DirectStateless(options.dispatcher, this.#lists, MODERN_RESULT);
    this.#sessions = new SessionStore(options.limits ?? DEFAULT_LIMITS);
    this.#subscriptions = new Subscriptions(options);
    this.#modern = createMcpHandler(
      ({ authInfo, requestInfo }) =>
        this.#servers.modern(options.dispatcher, carried(authInfo, 'stateless'), {
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
    const { request, body } = exchange;
    const plain = this.#plainStateless(exchange);
    if (plain !== undefined) {
      // A list is answered at once.
      if (plain.method === 'tools/call') this.#endAfterDeadline(exchange);
      return await this.#direct.serve(plain, exchange);
    }
    const facts = factsOf(body);
    // Clients keep sending the id of a session that a restart has ended; `initialize` starts anew all the same.
    // In a request of revision 2026-07-28 it is a method that there is not.
    const isOpening = facts.initialize && !facts.refusal && (await isLegacyRequest(probe(request), body));
    if (isOpening) return await this.#open(exchange);
    if (request.headers['mcp-session-id'] !== undefined) return await this.#continue(exchange, facts);
    if (await isLegacyRequest(probe(request), body)) {
      return answer(
        exchange,
        400,
        rpcError(-32000, 'Bad Request: send initialize first, then its Mcp-Session-Id.'),
      );
    }
    if (isListen(body)) await this.#subscriptions.open(exchange);
    else await this.#serveStateless(exchange);
  }

  /** The stream of a session on which the server speaks first. */
  async get(exchange: DoorRequest): Promise<void> {
    const session = this.#find(exchange);
    if (!session) return;
    const { request, response, principal, directory } = exchange;
    this.#sessions.hold(session, response);
    if (!hasGone(response)) {
      // Whoever opens the stream reads what is told on it, whoever opened the session.
      const reader = carried(carry(request, principal, directory).auth, 'streamable-http');
      response.once('close', this.#options.dispatcher.alertNews.subscribe(reader, session.transport.tell));
    }
    await session.transport.sdk.handleRequest(request, ready(exchange));
  }

  async delete(exchange: DoorRequest): Promise<void> {
    const session = this.#find(exchange);
    if (!session) return;
    // The transport removes the session by `onsessionclosed`; a DELETE that it refuses leaves it as it is.
    await session.transport.sdk.handleRequest(exchange.request, ready(exchange));
  }

  /** Ends the sessions that were opened by such a principal. */
  closeWhere(ends: (openedBy: Principal) => boolean): void {
    this.#sessions.closeWhere(ends);
  }

  async close(): Promise<void> {
    this.#direct.close();
    await Promise.allSettled([this.#sessions.closeAll(), this.#subscriptions.close(), this.#modern.close()]);
  }

  async #open(exchange: DoorRequest): Promise<void> {
    const { request, response, body, principal, directory } = exchange;
    if (!this.#sessions.hasRoom(principal)) {
      return refuseSession(exchange, this.#sessions.hasMost(principal));
    }
    this.#endAfterDeadline(exchange);
    const { dispatcher, newId } = this.#options;
    const authorized = carry(request, principal, directory);
    const opener = carried(authorized.auth, 'streamable-http');
    const own = this.#options.servers === undefined ? createLegacySession(dispatcher, opener) : undefined;
    const server = own?.server ?? this.#servers.legacy(dispatcher, opener);
    let opened: OpenSession | undefined;
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: newId,
      onsessioninitialized: (id) => {
        const session: OpenSession = this.#sessions.add({
          id,
          principalId: principal.id,
          openedBy: principal,
          directory,
          transport: {
            sdk: transport,
            tell: (message) => announceAlert(server, message, id),
            direct:
              own &&
              new DirectSession({
                id,
                session: own,
                transport,
                lists: this.#lists,
                answered: (requestId) => session.inFlight.answered(requestId),
              }),
          },
          close: async () => {
            session.transport.direct?.close();
            await server.close();
          },
          forgotten: dispatcher.listChanges.subscribe(directory, {
            changed: (lists) => announceLists(server, lists),
            gone: () => void this.#sessions.retire(id),
          }),
        });
        opened = session;
        this.#sessions.hold(session, response);
        watchAnswers(session);
      },
      onsessionclosed: (id) => {
        this.#sessions.remove(id);
        opened?.transport.direct?.close();
      },
    });
    // The v1 SDK's own class does not satisfy its Transport type under exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    await transport.handleRequest(authorized, ready(exchange), body);
  }

  async #continue(exchange: DoorRequest, facts: BodyFacts): Promise<void> {
    const { request, response, body, principal, directory } = exchange;
    const session = this.#find(exchange);
    if (!session) return;
    const refusal = refusalOf(facts, session.inFlight);
    if (refusal) return answer(exchange, 400, refusal);
    const authorized = carry(request, principal, directory, session.recordedAs);
    withoutNullArguments(body);
    const { direct } = session.transport;
    const plain = direct?.takes(exchange);
    // A list is answered at once, and nothing has to be kept of it.
    if (plain?.method === 'tools/list') return direct?.serve(plain, exchange, authorized.auth);
    this.#endAfterDeadline(exchange);
    session.inFlight.take(facts.requestIds, response);
    this.#sessions.hold(session, response);
    if (facts.cancelledIds.length > 0) direct?.cancel(facts.cancelledIds);
    // The SDK cancels while it handles the body, and may wait for the rest of a batch long after that.
    if (facts.cancelledIds.length > 0) setImmediate(() => session.inFlight.cancelled(facts.cancelledIds));
    if (plain !== undefined) return direct?.serve(plain, exchange, authorized.auth);
    await session.transport.sdk.handleRequest(authorized, ready(exchange), body);
  }

  #plainStateless(exchange: DoorRequest): PlainRequest | undefined {
    if (this.#options.servers !== undefined || exchange.request.headers['mcp-session-id'] !== undefined)
      return undefined;
    withoutNullArguments(exchange.body);
    return this.#direct.takes(exchange);
  }

  async #serveStateless(exchange: DoorRequest): Promise<void> {
    const { request, body, principal, directory } = exchange;
    this.#endAfterDeadline(exchange);
    const authorized = carry(request, principal, directory) as Parameters<NodeMcpRequestHandler>[0];
    await this.#serveModern(authorized, ready(exchange), withoutNullArguments(body));
  }

  /** Gives the session of the header, or answers 400 or 404 and gives nothing. */
  #find(exchange: DoorRequest): OpenSession | undefined {
    const { request, principal, directory } = exchange;
    const id = request.headers['mcp-session-id'];
    if (typeof id !== 'string') {
      answer(exchange, 400, rpcError(-32000, 'Bad Request: Mcp-Session-Id header is required.'));
      return undefined;
    }
    const session = this.#sessions.find(id, principal, directory);
    // Exactly 404 makes clients start a new session; anything else makes them give up (facts/mcp.md).
    if (!session)
      answer(exchange, 404, rpcError(-32001, 'Session not found: send initialize to start a new one.'));
    return session;
  }

  #endAfterDeadline(exchange: Answering): void {
    const { response } = exchange;
    const timer = setTimeout(() => {
      if (response.headersSent) response.end();
      else answer(exchange, 504, rpcError(-32000, 'The request was not answered in time.'));
    }, this.#options.postDeadlineMs ?? POST_DEADLINE_MS);
    timer.unref();
    response.on('close', () => clearTimeout(timer));
  }
}

/** Gives an id back when its answer is sent, which may be before the POST's stream has closed. */
function watchAnswers({ transport: { sdk: transport }, inFlight }: OpenSession): void {
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

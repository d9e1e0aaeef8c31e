import type { ServerResponse } from 'node:http';
import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import type { Principal } from '../access/principal.ts';
import { carried, carry } from './carried.ts';
import { callOf } from './direct-session.ts';
import type { Dispatcher } from './dispatcher.ts';
import {
  type Answering,
  answer,
  type DoorRequest,
  type HeaderList,
  ready,
  refuseSession,
  writeHead,
} from './door.ts';
import { announceAlert, announceLists, createLegacySession, type LegacySession } from './legacy.ts';
import { ListBytes } from './list-bytes.ts';
import { answeredId, factsOf, refusalOf, rpcError, withoutNullArguments } from './messages.ts';
import { isPlainJson, type PlainRequest, plainRequestOf } from './plain-requests.ts';
import { DEFAULT_LIMITS, hasGone, type Session, type SessionLimits, SessionStore } from './sessions.ts';

export interface SseDoorOptions {
  dispatcher: Dispatcher;
  /** Where clients send their messages, as they see it from outside. */
  messagesPath: string;
  limits?: SessionLimits;
  /** Milliseconds between keep-alive comments; proxies cut idle streams after 60 s. */
  keepAliveMs?: number;
}

/** What leads to a session: the SDK's transport, and the short way past it. */
interface SessionTransport {
  sdk: SSEServerTransport;
  stream: ServerResponse;
  own: LegacySession;
  /** Ends calls that were begun on the short way. */
  running: Map<string | number, AbortController>;
}

/** The deprecated HTTP+SSE transport (revision 2024-11-05), which Gemini CLI and others still use. */
export class SseDoor {
  readonly #options: SseDoorOptions;
  readonly #sessions: SessionStore<SessionTransport>;
  readonly #lists = new ListBytes();

  constructor(options: SseDoorOptions) {
    this.#options = options;
    this.#sessions = new SessionStore(options.limits ?? DEFAULT_LIMITS);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** GET /sse: opens the stream, which is the session. */
  async open(exchange: DoorRequest): Promise<void> {
    const { request, response, principal, directory } = exchange;
    // Its `close` event has come and gone: such a session would stay for ever.
    if (hasGone(response)) return;
    if (!this.#sessions.hasRoom(principal)) {
      return refuseSession(exchange, this.#sessions.hasMost(principal));
    }
    const { dispatcher, messagesPath, keepAliveMs = 15_000 } = this.#options;
    // The SDK's transport sends neither this header nor a keep-alive (facts/mcp.md).
    ready(exchange).setHeader('x-accel-buffering', 'no');
    const transport = new SSEServerTransport(messagesPath, response);
    const { auth } = carry(request, principal, directory);
    const opener = carried(auth, 'sse');
    const own = createLegacySession(dispatcher, opener);
    const { server } = own;
    const running: SessionTransport['running'] = new Map();
    const session = this.#sessions.add({
      id: transport.sessionId,
      principalId: principal.id,
      openedBy: principal,
      directory,
      transport: { sdk: transport, stream: response, own, running },
      close: async () => {
        for (const ending of running.values()) ending.abort(new Error('Connection closed'));
        await server.close();
      },
      forgotten: dispatcher.listChanges.subscribe(directory, {
        changed: (lists) => announceLists(server, lists),
        gone: () => void this.#sessions.retire(transport.sessionId),
      }),
    });
    this.#sessions.hold(session, response);
    const deaf = dispatcher.alertNews.subscribe(opener, (message) =>
      announceAlert(server, message, session.id),
    );
    const keepAlive = setInterval(
      () => keepsReading(response) && response.write(': keep-alive\n\n'),
      keepAliveMs,
    );
    keepAlive.unref();
    response.once('close', () => {
      for (const ending of running.values()) ending.abort(new Error('Connection closed'));
      clearInterval(keepAlive);
      deaf();
      this.#sessions.remove(session.id);
    });
    // The v1 SDK's own class does not satisfy its Transport type under exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    const send = transport.send.bind(transport);
    transport.send = async (message) => {
      const id = answeredId(message);
      if (id !== undefined) session.inFlight.answered(id);
      if (keepsReading(response)) await send(message);
    };
  }

  /** POST /messages?sessionId=…: the answer comes on the stream. */
  async message(exchange: DoorRequest, sessionId: string): Promise<void> {
    const { request, response, body, principal, directory } = exchange;
    const session = this.#sessions.find(sessionId, principal, directory);
    if (!session) {
      return answer(exchange, 404, rpcError(-32001, 'Session not found: open a new stream with GET /sse.'));
    }
    const facts = factsOf(body);
    const refusal = refusalOf(facts, session.inFlight);
    if (refusal) return answer(exchange, 400, refusal);
    session.inFlight.take(facts.requestIds, response);
    session.inFlight.cancelled(facts.cancelledIds);
    for (const id of facts.cancelledIds) session.transport.running.get(id)?.abort();
    const authorized = carry(request, principal, directory, session.recordedAs);
    withoutNullArguments(body);
    const plain = isPlainJson(request) ? plainRequestOf(body) : undefined;
    if (plain !== undefined) return await this.#serve(plain, session, exchange, authorized.auth);
    await session.transport.sdk.handlePostMessage(authorized, ready(exchange), body).catch(() => {
      if (!response.headersSent) answer(exchange, 400, rpcError(-32600, 'Invalid Request.'));
    });
  }

  /** Answers without the SDK's transport, which checks each message against four schemas and makes an URL of its address. */
  async #serve(
    plain: PlainRequest,
    { transport: { sdk, stream, own, running }, inFlight }: Session<SessionTransport>,
    exchange: Answering,
    authInfo: AuthInfo,
  ): Promise<void> {
    writeHead(exchange, 202, ACCEPTED_HEADERS);
    exchange.response.end(ACCEPTED);
    const { id } = plain;
    if (plain.method === 'tools/list') {
      const { event } = this.#lists.of(own.listTools({ authInfo }));
      inFlight.answered(id);
      if (!hasGone(stream) && keepsReading(stream)) writeAll(stream, event.plain(JSON.stringify(id)));
      return;
    }
    const ending = new AbortController();
    running.set(id, ending);
    const message = await callOf(plain, own, { authInfo, signal: ending.signal });
    if (running.get(id) === ending) running.delete(id);
    if (!ending.signal.aborted)
      await sdk.send(message as Parameters<typeof sdk.send>[0]).catch(() => undefined);
  }

  /** Ends the sessions that were opened by such a principal. */
  closeWhere(ends: (openedBy: Principal) => boolean): void {
    this.#sessions.closeWhere(ends);
  }

  async close(): Promise<void> {
    await this.#sessions.closeAll();
  }
}

const ACCEPTED = 'Accepted';
const ACCEPTED_HEADERS: HeaderList = ['content-length', ACCEPTED.length];

/** What may wait for a client that does not read; beyond it the stream, and with it the session, is ended. */
const MOST_UNREAD_BYTES = 8 * 1024 * 1024;

function keepsReading(response: ServerResponse): boolean {
  if (response.writableLength <= MOST_UNREAD_BYTES) return true;
  response.destroy();
  return false;
}

/** Writes all of it in as few packets as it fits in. */
function writeAll(stream: ServerResponse, parts: readonly Buffer[]): void {
  stream.cork();
  for (const part of parts) stream.write(part);
  stream.uncork();
}

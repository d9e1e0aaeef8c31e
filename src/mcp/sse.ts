import type { ServerResponse } from 'node:http';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import type { Principal } from '../access/principal.ts';
import { carried, carry } from './carried.ts';
import type { Dispatcher } from './dispatcher.ts';
import { answer, type DoorRequest, refuseSession } from './door.ts';
import { announceLists, createLegacyServer } from './legacy.ts';
import { answeredId, factsOf, refusalOf, rpcError, withoutNullArguments } from './messages.ts';
import { DEFAULT_LIMITS, hasGone, type SessionLimits, SessionStore } from './sessions.ts';

export interface SseDoorOptions {
  dispatcher: Dispatcher;
  /** Where clients send their messages, as they see it from outside. */
  messagesPath: string;
  limits?: SessionLimits;
  /** Milliseconds between keep-alive comments; proxies cut idle streams after 60 s. */
  keepAliveMs?: number;
}

/** The deprecated HTTP+SSE transport (revision 2024-11-05), which Gemini CLI and others still use. */
export class SseDoor {
  readonly #options: SseDoorOptions;
  readonly #sessions: SessionStore<SSEServerTransport>;

  constructor(options: SseDoorOptions) {
    this.#options = options;
    this.#sessions = new SessionStore(options.limits ?? DEFAULT_LIMITS);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** GET /sse: opens the stream, which is the session. */
  async open({ request, response, principal, directory }: DoorRequest): Promise<void> {
    // Its `close` event has come and gone: such a session would stay for ever.
    if (hasGone(response)) return;
    if (!this.#sessions.hasRoom(principal)) {
      return refuseSession(response, this.#sessions.hasMost(principal));
    }
    const { dispatcher, messagesPath, keepAliveMs = 15_000 } = this.#options;
    // The SDK's transport sends neither this header nor a keep-alive (facts/mcp.md).
    response.setHeader('x-accel-buffering', 'no');
    const transport = new SSEServerTransport(messagesPath, response);
    const { auth } = carry(request, principal, directory);
    const server = createLegacyServer(dispatcher, carried(auth, 'sse'));
    const session = this.#sessions.add({
      id: transport.sessionId,
      principalId: principal.id,
      openedBy: principal,
      directory,
      transport,
      close: () => server.close(),
      forgotten: dispatcher.listChanges.subscribe(directory, {
        changed: (lists) => announceLists(server, lists),
        gone: () => void this.#sessions.retire(transport.sessionId),
      }),
    });
    this.#sessions.hold(session, response);
    const keepAlive = setInterval(
      () => keepsReading(response) && response.write(': keep-alive\n\n'),
      keepAliveMs,
    );
    keepAlive.unref();
    response.once('close', () => {
      clearInterval(keepAlive);
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
      return answer(response, 404, rpcError(-32001, 'Session not found: open a new stream with GET /sse.'));
    }
    const facts = factsOf(body);
    const refusal = refusalOf(facts, session.inFlight);
    if (refusal) return answer(response, 400, refusal);
    session.inFlight.take(facts.requestIds, response);
    session.inFlight.cancelled(facts.cancelledIds);
    const authorized = carry(request, principal, directory, session.id);
    await session.transport.handlePostMessage(authorized, response, withoutNullArguments(body)).catch(() => {
      if (!response.headersSent) answer(response, 400, rpcError(-32600, 'Invalid Request.'));
    });
  }

  /** Ends the sessions that were opened by such a principal. */
  closeWhere(ends: (openedBy: Principal) => boolean): void {
    this.#sessions.closeWhere(ends);
  }

  async close(): Promise<void> {
    await this.#sessions.closeAll();
  }
}

/** What may wait for a client that does not read; beyond it the stream, and with it the session, is ended. */
const MOST_UNREAD_BYTES = 8 * 1024 * 1024;

function keepsReading(response: ServerResponse): boolean {
  if (response.writableLength <= MOST_UNREAD_BYTES) return true;
  response.destroy();
  return false;
}

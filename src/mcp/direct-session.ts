import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js';
import type { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { ErrorCode, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js';
import { DirectAnswers } from './direct-answers.ts';
import type { ToolResult } from './dispatcher.ts';
import type { Answering, DoorRequest } from './door.ts';
import type { LegacySession } from './legacy.ts';
import { type ListBytes, takesGzip } from './list-bytes.ts';
import { hasPlainHeaders, type PlainRequest, plainRequestOf } from './plain-requests.ts';
import { answerJson, resultJson } from './result.ts';

const VERSIONS: ReadonlySet<string> = new Set(SUPPORTED_PROTOCOL_VERSIONS);

export interface DirectSessionParts {
  id: string;
  session: LegacySession;
  transport: StreamableHTTPServerTransport;
  lists: ListBytes;
  /** Told of the answer to each call before it is sent. */
  answered(id: string | number): void;
}

/**
 * Calls of tools and lists of them on a session, past the SDK's transport: that makes a web request, a web stream and
 * four schema checks of each. The SDK's server stays the session's: what a call sends meanwhile goes through it, and
 * comes back here by the request it belongs to. Whatever is unusual about a request is left to the SDK.
 */
export class DirectSession {
  readonly #parts: DirectSessionParts;
  readonly #answers: DirectAnswers;

  constructor(parts: DirectSessionParts) {
    this.#parts = parts;
    this.#answers = new DirectAnswers(parts.id);
    const { transport } = parts;
    const send = transport.send.bind(transport);
    transport.send = async (message, options) => {
      const id = options?.relatedRequestId;
      if (id !== undefined && this.#answers.has(id)) this.#answers.event(id, message);
      else await send(message, options);
    };
  }

  /** Which request this is, where it can be answered here. */
  takes({ request, body }: DoorRequest): PlainRequest | undefined {
    const version = request.headers['mcp-protocol-version'];
    if (version !== undefined && !VERSIONS.has(String(version))) return undefined;
    return hasPlainHeaders(request) ? plainRequestOf(body) : undefined;
  }

  /** @param authInfo who asks, as `carry` made it */
  serve(plain: PlainRequest, exchange: DoorRequest, authInfo: AuthInfo): void {
    const { session, lists } = this.#parts;
    if (plain.method === 'tools/call') return void this.#call(plain, exchange, authInfo);
    const { event } = lists.of(session.listTools({ authInfo }));
    const id = JSON.stringify(plain.id);
    if (takesGzip(exchange.request.headers['accept-encoding']))
      this.#answers.send(exchange, event.gzip(id), 'gzip');
    else this.#answers.send(exchange, event.plain(id));
  }

  cancel(ids: readonly (string | number)[]): void {
    this.#answers.cancel(ids);
  }

  close(): void {
    this.#answers.close();
  }

  async #call(plain: PlainRequest, exchange: Answering, authInfo: AuthInfo): Promise<void> {
    const { session, answered } = this.#parts;
    const { id } = plain;
    const signal = this.#answers.begin(id, exchange);
    const message = await callOf(plain, session, { authInfo, signal });
    if (signal.aborted) return;
    answered(id);
    this.#answers.answer(
      id,
      'result' in message ? answerJson(resultJson(message.result), id) : JSON.stringify(message),
    );
  }
}

interface Envelope {
  jsonrpc: '2.0';
  id: string | number;
}

/** What answers a call, its members in the order of the SDK's. */
type CallAnswer = Envelope & ({ result: ToolResult } | { error: object });

/** Makes a call and its answer, or its error, as the SDK would write them. */
export async function callOf(
  { id, name, args, meta }: PlainRequest,
  { server, callTool }: LegacySession,
  about: { authInfo: AuthInfo; signal: AbortSignal },
): Promise<CallAnswer> {
  const related = { relatedRequestId: id };
  try {
    const result = await callTool(
      { name, arguments: args, _meta: meta },
      {
        ...about,
        sendNotification: async (notification) => {
          if (!about.signal.aborted) await server.notification(notification, related);
        },
        sendRequest: (request, schema, options) =>
          server.request(request, schema, { ...options, ...related }),
      },
    );
    return { result, jsonrpc: '2.0', id };
  } catch (error) {
    const { code, message, data } = error as { code?: unknown; message?: string; data?: unknown };
    const isCode = Number.isSafeInteger(code);
    return {
      jsonrpc: '2.0',
      id,
      error: {
        code: isCode ? code : ErrorCode.InternalError,
        message: message ?? 'Internal error',
        ...(data === undefined ? {} : { data }),
      },
    };
  }
}

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CallToolResultSchema,
  ErrorCode,
  McpError,
  type Progress as SdkProgress,
} from '@modelcontextprotocol/sdk/types.js';
import type { Progress } from '../tools/define.ts';
import { IDENTITY } from './identity.ts';

const BROKE_OFF = 'The connection broke off before the answer came; a write may have been carried out.';

/**
 * Why a service gave no answer. `refused`: it answered with an HTTP status or a JSON-RPC error; `bad-call`: it knows no
 * such tool; `lost`: the connection broke off while it was at work.
 */
export type ServiceFailure = 'unreachable' | 'refused' | 'bad-call' | 'timeout' | 'lost' | 'no-mcp';

export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly kind: ServiceFailure;
  /** HTTP status of the refusal. */
  readonly status: number | undefined;
  /** When the service wants to be asked again, where it says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    kind: ServiceFailure,
    message: string,
    options: { status?: number; retryAfterSeconds?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.status = options.status;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

export interface ServiceAddress {
  url: URL;
  token: string | undefined;
  /** Limit of each request in milliseconds. */
  timeoutMs: number;
  /** Ends whatever is under way; a call is cancelled on the service too. */
  signal: AbortSignal;
}

export interface ServiceAnswer {
  texts: string[];
  structured: Record<string, unknown> | undefined;
  isError: boolean;
}

export interface ServiceCall {
  tool: string;
  args: Record<string, unknown>;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** One session with a running service over Streamable HTTP, for the command line. */
export class ServiceClient {
  readonly #client = new Client({ name: `${IDENTITY.name}-call`, version: IDENTITY.version });
  readonly #transport: StreamableHTTPClientTransport;
  readonly #timeoutMs: number;
  /** The caller's end, or the break of the stream that an answer was to come on: the SDK would wait on. */
  readonly #end: AbortSignal;
  /** The last answer that was no success: the SDK's own error keeps neither status nor message apart. */
  #refusal: Refusal | undefined;

  private constructor({ url, token, timeoutMs, signal }: ServiceAddress) {
    this.#timeoutMs = timeoutMs;
    const lost = new AbortController();
    this.#end = AbortSignal.any([signal, lost.signal]);
    this.#transport = new StreamableHTTPClientTransport(url, {
      ...(token === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${token}` } } }),
      fetch: async (input, init) => {
        // The stream on which a server speaks first is of no use here, and optional for clients.
        if (init?.method === 'GET') return new Response(null, { status: 405 });
        const response = await fetch(input, init);
        if (!response.ok && init?.method === 'POST') this.#refusal = await refusalOf(response.clone());
        return response;
      },
    });
    this.#client.onerror = ({ message }) => {
      if (!message.startsWith('SSE stream disconnected')) return;
      lost.abort(new ServiceError('lost', BROKE_OFF));
    };
  }

  /** @throws ServiceError; the reason of the signal where that aborts, as all of these do */
  static async connect(address: ServiceAddress): Promise<ServiceClient> {
    const service = new ServiceClient(address);
    // The v1 SDK's own class does not satisfy its Transport type under exactOptionalPropertyTypes.
    const transport = service.#transport as Parameters<Client['connect']>[0];
    await service.#ask((options) => service.#client.connect(transport, options));
    return service;
  }

  /** @throws ServiceError */
  async listTools(): Promise<{ name: string; title: string; description: string }[]> {
    const { tools } = await this.#ask((options) => this.#client.listTools({}, options));
    return tools.map(({ name, title = '', description = '' }) => ({ name, title, description }));
  }

  /** @throws ServiceError */
  async callTool({ tool, args, onProgress }: ServiceCall): Promise<ServiceAnswer> {
    const request = { method: 'tools/call' as const, params: { name: tool, arguments: args } };
    const progress =
      onProgress === undefined ? {} : { onprogress: (update: SdkProgress) => onProgress(progressOf(update)) };
    // `request` and not `callTool`: the structured answer is shown as it came, not held against a schema first.
    const result = await this.#ask((options) =>
      this.#client.request(request, CallToolResultSchema, { ...options, ...progress }),
    );
    return {
      texts: result.content.flatMap((item) => (item.type === 'text' ? [item.text] : [])),
      structured: result.structuredContent,
      isError: result.isError ?? false,
    };
  }

  /** Ends the session on the service, as far as it still answers. */
  async close(): Promise<void> {
    await this.#transport.terminateSession().catch(() => undefined);
    await this.#client.close();
  }

  async #ask<T>(send: (options: { timeout: number; signal: AbortSignal }) => Promise<T>): Promise<T> {
    try {
      return await send({ timeout: this.#timeoutMs, signal: this.#end });
    } catch (error) {
      throw this.#end.aborted ? this.#end.reason : this.#failure(error);
    }
  }

  #failure(error: unknown): ServiceError {
    if (error instanceof McpError) return this.#rpcFailure(error);
    if (this.#refusal !== undefined) {
      const { status, message = 'without a reason', retryAfterSeconds } = this.#refusal;
      return new ServiceError('refused', `The service answered HTTP ${status}: ${message}`, {
        status,
        retryAfterSeconds,
        cause: error,
      });
    }
    const cause = error instanceof TypeError ? error.cause : undefined;
    if (cause instanceof Error) {
      const code = 'code' in cause ? String(cause.code) : cause.message;
      // It was connected, so the request may have arrived: the head of an answer comes with the answer.
      if (code === 'UND_ERR_SOCKET') return new ServiceError('lost', BROKE_OFF, { cause: error });
      return new ServiceError('unreachable', `The service can't be reached (${code}).`, { cause: error });
    }
    return new ServiceError('no-mcp', 'What answers there does not speak MCP.', { cause: error });
  }

  #rpcFailure(cause: McpError): ServiceError {
    if (cause.code === ErrorCode.RequestTimeout) {
      return new ServiceError('timeout', `There was no answer within ${this.#timeoutMs / 1000} s.`, {
        cause,
      });
    }
    // Both ends put this in front.
    const message = cause.message.replace(/^(?:MCP error -?\d+: )+/, '');
    return new ServiceError(cause.code === ErrorCode.InvalidParams ? 'bad-call' : 'refused', message, {
      cause,
    });
  }
}

interface Refusal {
  status: number;
  message: string | undefined;
  retryAfterSeconds: number | undefined;
}

async function refusalOf(response: Response): Promise<Refusal> {
  const body: unknown = await response.json().catch(() => undefined);
  const { message, error } = (body ?? {}) as { message?: unknown; error?: { message?: unknown } };
  const text = [message, error?.message].find((candidate) => typeof candidate === 'string');
  // The header may also be a date, which this service never sends.
  const seconds = /^\d{1,6}$/.exec(response.headers.get('retry-after') ?? '')?.[0];
  return {
    status: response.status,
    message: text,
    retryAfterSeconds: seconds === undefined ? undefined : Number(seconds),
  };
}

function progressOf({ progress, total, message }: SdkProgress): Progress {
  return {
    progress,
    ...(total === undefined ? {} : { total }),
    ...(message === undefined ? {} : { message }),
  };
}

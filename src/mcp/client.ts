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

/** Why a service gave no answer. `refused` is an HTTP status; `rejected` a JSON-RPC error, such as an unknown tool. */
export type ServiceFailure = 'unreachable' | 'refused' | 'timeout' | 'rejected' | 'no-mcp';

export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly kind: ServiceFailure;
  /** HTTP status of the refusal. */
  readonly status: number | undefined;

  constructor(kind: ServiceFailure, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.status = options.status;
  }
}

export interface ServiceAddress {
  url: URL;
  token: string | undefined;
  /** Limit of each request in milliseconds. */
  timeoutMs: number;
}

export interface ServiceAnswer {
  texts: string[];
  structured: Record<string, unknown> | undefined;
  isError: boolean;
}

export interface ServiceCall {
  tool: string;
  args: Record<string, unknown>;
  /** Cancels the call on the service too. */
  signal: AbortSignal;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** One session with a running service over Streamable HTTP, for the command line. */
export class ServiceClient {
  readonly #client = new Client({ name: `${IDENTITY.name}-call`, version: IDENTITY.version });
  readonly #transport: StreamableHTTPClientTransport;
  readonly #timeoutMs: number;
  /** Aborted when the stream that an answer was to come on breaks off: the SDK would wait on. */
  readonly #lost = new AbortController();
  /** The last answer that was no success: the SDK's own error keeps neither status nor message apart. */
  #refusal: { status: number; message: string | undefined } | undefined;

  private constructor({ url, token, timeoutMs }: ServiceAddress) {
    this.#timeoutMs = timeoutMs;
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
      const what = 'The connection broke off before the answer came; a write may have been carried out.';
      this.#lost.abort(new ServiceError('unreachable', what));
    };
  }

  /** @throws ServiceError */
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

  /** @throws ServiceError; the reason of the signal where that aborts */
  async callTool({ tool, args, signal, onProgress }: ServiceCall): Promise<ServiceAnswer> {
    const request = { method: 'tools/call' as const, params: { name: tool, arguments: args } };
    // `request` and not `callTool`: the structured answer is shown as it came, not held against a schema first.
    const end = AbortSignal.any([signal, this.#lost.signal]);
    const result = await this.#ask((options) =>
      this.#client.request(request, CallToolResultSchema, {
        ...options,
        signal: end,
        ...(onProgress === undefined ? {} : { onprogress: (update) => onProgress(progressOf(update)) }),
      }),
    ).catch((error: unknown) => {
      throw end.aborted ? end.reason : error;
    });
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

  async #ask<T>(send: (options: { timeout: number }) => Promise<T>): Promise<T> {
    try {
      return await send({ timeout: this.#timeoutMs });
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): ServiceError {
    if (error instanceof McpError && error.code === ErrorCode.RequestTimeout) {
      return new ServiceError('timeout', `There was no answer within ${this.#timeoutMs / 1000} s.`, {
        cause: error,
      });
    }
    if (error instanceof McpError) {
      return new ServiceError('rejected', error.message.replace(/^(?:MCP error -?\d+: )+/, ''), {
        cause: error,
      });
    }
    if (this.#refusal !== undefined) {
      const { status, message = 'without a reason' } = this.#refusal;
      return new ServiceError('refused', `The service answered HTTP ${status}: ${message}`, {
        status,
        cause: error,
      });
    }
    const cause = error instanceof TypeError ? error.cause : undefined;
    if (cause instanceof Error) {
      const code = 'code' in cause ? String(cause.code) : cause.message;
      return new ServiceError('unreachable', `The service can't be reached (${code}).`, { cause: error });
    }
    return new ServiceError('no-mcp', 'What answers there does not speak MCP.', { cause: error });
  }
}

async function refusalOf(response: Response): Promise<{ status: number; message: string | undefined }> {
  const body: unknown = await response.json().catch(() => undefined);
  const { message, error } = (body ?? {}) as { message?: unknown; error?: { message?: unknown } };
  const text = [message, error?.message].find((candidate) => typeof candidate === 'string');
  return { status: response.status, message: text };
}

function progressOf({ progress, total, message }: SdkProgress): Progress {
  return {
    progress,
    ...(total === undefined ? {} : { total }),
    ...(message === undefined ? {} : { message }),
  };
}

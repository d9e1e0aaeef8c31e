import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

export type DoorName = 'session' | 'sse' | 'stateless';

/** What a tool answered, or did not. */
export interface Called {
  isError?: boolean | undefined;
  structured: { error?: { code?: string; plan?: { number?: number } }; [key: string]: unknown } | undefined;
}

export interface SoakClient {
  call(name: string, args: object, signal: AbortSignal): Promise<Called>;
  close(): Promise<void>;
}

/** Longer than any call of the service may take: what is not answered by then is lost. */
const ANSWER_MS = 120_000;

/** A real MCP client at a door. @throws what its SDK throws where the service does not let it in */
export async function openDoor(door: DoorName, url: string, token: string): Promise<SoakClient> {
  const init = { requestInit: { headers: { authorization: `Bearer ${token}` } } };
  if (door === 'stateless') {
    const client = new ModernClient(
      { name: 'soak', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    await client.connect(new ModernTransport(new URL('/mcp', url), init));
    return {
      call: async (name, args, signal) => {
        const options = { timeout: ANSWER_MS, signal };
        return calledOf(await client.callTool({ name, arguments: { ...args } }, options));
      },
      close: () => client.close(),
    };
  }
  const client = new Client({ name: 'soak', version: '1' });
  const transport =
    door === 'sse'
      ? new SSEClientTransport(new URL('/sse', url), init)
      : new StreamableHTTPClientTransport(new URL('/mcp', url), init);
  // The v1 SDK's own classes do not satisfy its Transport type under exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<Client['connect']>[0]);
  return {
    call: async (name, args, signal) => {
      const options = { timeout: ANSWER_MS, signal };
      return calledOf(await client.callTool({ name, arguments: { ...args } }, undefined, options));
    },
    close: async () => {
      if (transport instanceof StreamableHTTPClientTransport) await transport.terminateSession();
      await client.close();
    },
  };
}

function calledOf(result: Record<string, unknown>): Called {
  const { isError, structuredContent } = result;
  return { isError: isError === true, structured: structuredContent as Called['structured'] };
}

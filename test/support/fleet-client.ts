import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig, Config } from '../../src/config/config.ts';
import type { EngineDeps } from '../../src/proxmox/engine.ts';
import { SILENT } from './engine-fixtures.ts';
import { KEPT_CATALOGUES } from './kept-catalogues.ts';
import { buildService, tokenFor } from './service.ts';

type Structured = Record<string, unknown>;

export interface FleetClient extends AsyncDisposable {
  call(name: string, args?: Structured, signal?: AbortSignal): Promise<Structured>;
  /** The sentence for people. */
  text(name: string, args?: Structured): Promise<string>;
  manager: ClusterManager;
}

export interface FleetClientOptions {
  scope?: string;
  limits?: EngineDeps['limits'];
  config?: Partial<Config>;
}

/** The whole service over some clusters, and a real MCP client that validates each answer against its schema. */
export async function fleetClient(
  configs: ClusterConfig[],
  { scope, limits, config }: FleetClientOptions = {},
): Promise<FleetClient> {
  const manager = new ClusterManager(
    { clusters: configs, ...config },
    { ...KEPT_CATALOGUES, logger: SILENT, random: () => 0, ...(limits ? { limits } : {}) },
  );
  const service = await buildService({ estate: manager });
  const url = await service.listen();
  const client = new Client({ name: 'fleet', version: '1' });
  const headers = { authorization: `Bearer ${await tokenFor('alice', scope)}` };
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit: { headers } });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  await client.listTools();
  const ask = (name: string, args: Structured = {}, signal?: AbortSignal) =>
    client.callTool({ name, arguments: args }, undefined, signal ? { signal } : {});
  return {
    manager,
    call: async (name, args, signal) => (await ask(name, args, signal)).structuredContent as Structured,
    text: async (name, args) => ((await ask(name, args)).content as { text: string }[])[0]?.text ?? '',
    async [Symbol.asyncDispose]() {
      await client.close();
      await service.close();
      await manager.close();
    },
  };
}

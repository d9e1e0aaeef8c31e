import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { issueToken } from '../../src/access/tokens.ts';
import { redactionOf } from '../../src/cli/compose.ts';
import { Reloading } from '../../src/cli/reload.ts';
import { type Service, startService } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Secret } from '../../src/config/secret.ts';
import { createLogger } from '../../src/observability/logging.ts';
import type { SimulatedCluster } from '../../src/simulator/simulator.ts';
import { folderWith } from './config-folder.ts';

/** Signs the tokens of its clients. */
export const SECRET = 'reload-test-secret-of-more-than-32-bytes';

export type Entry = Record<string, unknown>;
export interface LogLine {
  level: string;
  msg: string;
  [key: string]: unknown;
}

/** The entry of clusters.json that reaches a simulated cluster. */
export function entryOf(cluster: SimulatedCluster, changes: Entry = {}): Entry {
  const { url, user, tokenId, tokenSecret, fingerprint } = cluster;
  return { url, user, token_id: tokenId, token_secret: tokenSecret, fingerprint, ...changes };
}

export interface StructuredResult {
  isError: boolean;
  data: Record<string, unknown> & { error?: { code: string; message: string; hint: string } };
}

/** Anything with `callTool` of either SDK line. */
interface CallingClient {
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<unknown>;
}

/** The service as `serve` runs it, over a folder of configuration files that a test rewrites. */
export class ReloadingService {
  readonly folder: string;
  readonly log: LogLine[] = [];
  readonly #open: { close(): Promise<unknown> }[] = [];
  #service: Service | undefined;
  #reloading: Reloading | undefined;

  private constructor(
    clusters: Record<string, Entry>,
    top: Entry,
    { lines = '', files = {} }: { lines?: string; files?: Record<string, string> },
  ) {
    this.folder = folderWith({ ...files, '.env': this.#env(lines) });
    this.write(clusters, top);
  }

  /** @param more lines of `.env` beside those that are always there, and other files that it names */
  static async start(
    clusters: Record<string, Entry>,
    top: Entry = {},
    more: { lines?: string; files?: Record<string, string> } = {},
  ): Promise<ReloadingService> {
    const made = new ReloadingService(clusters, top, more);
    await made.#start();
    return made;
  }

  get service(): Service {
    if (!this.#service) throw new Error('the service was not started');
    return this.#service;
  }

  /** Writes clusters.json, without telling the service. */
  write(clusters: Record<string, Entry>, top: Entry = {}): void {
    this.writeFile('clusters.json', JSON.stringify({ clusters, ...top }, null, 2));
  }

  /** Adds lines to the `.env` that the service needs. */
  writeEnv(lines: string): void {
    this.writeFile('.env', this.#env(lines));
  }

  writeFile(name: string, content: string): void {
    writeFileSync(join(this.folder, name), content, { mode: 0o600 });
  }

  /** Writes clusters.json and loads it at once, as a SIGHUP would. */
  apply(clusters: Record<string, Entry>, top: Entry = {}): void {
    this.write(clusters, top);
    this.reload();
  }

  reload(): void {
    this.#reloading?.reload();
  }

  said(text: string): LogLine[] {
    return this.log.filter(({ msg }) => msg.includes(text));
  }

  /** A client whose list_changed notifications are counted; `listen` subscribes to them where that is needed. */
  async connect(
    kind: 'http' | 'sse' | 'modern',
    path = kind === 'sse' ? '/sse' : '/mcp',
    { secret = SECRET, fetch = globalThis.fetch }: { secret?: string; fetch?: typeof globalThis.fetch } = {},
  ) {
    const token = await issueToken(new Secret(secret), {
      subject: 'test',
      scope: 'proxmox:admin',
      lifetimeSeconds: 600,
      audience: 'proxmox-mcp',
    });
    const requestInit = { headers: { authorization: `Bearer ${token}` } };
    const url = new URL(path, this.service.url);
    const told = { count: 0 };
    const note = () => {
      told.count++;
    };
    if (kind === 'modern') {
      const client = new ModernClient(
        { name: 'v2', version: '1' },
        { versionNegotiation: { mode: { pin: '2026-07-28' } } },
      );
      client.setNotificationHandler('notifications/tools/list_changed', note);
      await client.connect(new ModernTransport(url, { requestInit, fetch }));
      this.#open.push(client);
      return {
        client,
        told,
        tools: () => client.listTools({}, { cacheMode: 'bypass' }),
        listen: () => client.listen({ toolsListChanged: true }),
      };
    }
    const client = new Client({ name: 'v1', version: '1' });
    client.fallbackNotificationHandler = async ({ method }) => {
      if (method === 'notifications/tools/list_changed') note();
    };
    const transport =
      kind === 'http'
        ? new StreamableHTTPClientTransport(url, { requestInit, fetch })
        : new SSEClientTransport(url, { requestInit, fetch });
    await client.connect(transport as Parameters<Client['connect']>[0]);
    this.#open.push(client);
    return { client, told, tools: () => client.listTools(), listen: async () => undefined };
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#open.map((client) => client.close()));
    await this.#reloading?.close();
    await this.#service?.stop();
  }

  async #start(): Promise<void> {
    const source = { env: {}, cwd: this.folder };
    const config = loadConfig(source);
    let { logLevel } = config;
    const redaction = redactionOf(config);
    const write = (line: string) => void this.log.push(JSON.parse(line));
    const logger = createLogger(() => logLevel, redaction, { write });
    const service = await startService(config, logger, redaction);
    this.#service = service;
    this.#reloading = new Reloading({
      source,
      config,
      core: service.core,
      logger,
      onApplied: (next) => {
        logLevel = next.logLevel;
        service.renewCertificate(next);
      },
      onHangUp: () => undefined,
    });
  }

  #env(lines: string): string {
    return `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\nCACHE_DIR=cache\n${lines}`;
  }
}

/** Calls a tool and reads its structured answer. */
export async function callTool(client: CallingClient, name: string, args: Entry): Promise<StructuredResult> {
  const result = (await client.callTool({ name, arguments: args })) as {
    isError?: boolean;
    structuredContent?: StructuredResult['data'];
  };
  return { isError: result.isError === true, data: result.structuredContent ?? {} };
}

/** One call of `proxmox_api_call`. */
export function ask(client: CallingClient, path: string, more: Entry = {}): Promise<StructuredResult> {
  return callTool(client, 'proxmox_api_call', { path, ...more });
}

import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { LoggingLevel } from '@modelcontextprotocol/sdk/types.js';
import { issueToken } from '../../src/access/tokens.ts';
import { redactionOf } from '../../src/cli/compose.ts';
import { type Service, startService } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Secret } from '../../src/config/secret.ts';
import { createLogger } from '../../src/observability/logging.ts';
import type { SimulatedCluster } from '../../src/simulator/simulator.ts';
import { folderWith } from './config-folder.ts';
import { entryOf } from './reloading-service.ts';

const JWT_SECRET = 'alerts-test-secret-of-more-than-32-bytes';
export const HOOK_SECRET = 'webhook-secret-of-more-than-32-bytes-0123';

export interface Sent {
  headers: IncomingHttpHeaders;
  path: string;
  raw: string;
  body: { text: string; test: boolean; alerts: Record<string, unknown>[] };
}

/** What takes alerts: keeps them, and answers as the test says. */
export class Receiver {
  readonly sent: Sent[] = [];
  status = 204;
  headers: Record<string, string> = {};
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      let raw = '';
      request.setEncoding('utf8').on('data', (chunk) => {
        raw += chunk;
      });
      request.on('end', () => {
        this.sent.push({ headers: request.headers, path: request.url ?? '', raw, body: JSON.parse(raw) });
        response.writeHead(this.status, this.headers).end();
      });
    });
  }

  static async start(): Promise<Receiver> {
    const made = new Receiver();
    await new Promise<void>((listening) => made.#server.listen(0, '127.0.0.1', listening));
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks/canary-of-the-path`;
  }

  /** What was told since the last time, as `event id`. */
  told(): string[] {
    return this.sent.splice(0).flatMap(({ body }) => body.alerts.map(({ event, id }) => `${event} ${id}`));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}

export interface AlertSiteOptions {
  clusters: Record<string, SimulatedCluster>;
  hook: Receiver;
  /** Lines of `.env`. */
  env?: string;
  policy?: unknown;
  /** A folder of an earlier one, whose state is gone on with. */
  folder?: string;
}

/** The service as `serve` runs it, which looks when the test says so. */
export class AlertSite {
  readonly folder: string;
  readonly lines: string[] = [];
  readonly service: Service;
  readonly #open: { close(): Promise<unknown> }[] = [];

  private constructor(folder: string, lines: string[], service: Service) {
    this.folder = folder;
    this.lines = lines;
    this.service = service;
  }

  static async start({ clusters, hook, env = '', policy, folder }: AlertSiteOptions): Promise<AlertSite> {
    const entries = Object.fromEntries(Object.entries(clusters).map(([name, one]) => [name, entryOf(one)]));
    const used =
      folder ??
      folderWith({
        'clusters.json': JSON.stringify({ clusters: entries }),
        '.env': [
          `MCP_JWT_SECRET=${JWT_SECRET}`,
          'MCP_PORT=0',
          'CACHE_DIR=cache',
          'STATE_FILE=state.db',
          'MCP_TOOLSETS=all',
          'CLUSTER_VALIDATION=false',
          `ALERT_WEBHOOK_URL=${hook.url}`,
          `ALERT_WEBHOOK_SECRET=${HOOK_SECRET}`,
          ...(policy === undefined ? [] : ['POLICY_FILE=policy.json']),
          env,
        ].join('\n'),
        ...(policy === undefined ? {} : { 'policy.json': JSON.stringify(policy) }),
      });
    const config = loadConfig({ env: {}, cwd: used });
    const redaction = redactionOf(config);
    const lines: string[] = [];
    const logger = createLogger(() => 'debug', redaction, { write: (line) => void lines.push(line) });
    return new AlertSite(used, lines, await startService(config, logger, redaction));
  }

  /** So many looks at everything, then what there is to tell is told. */
  async look(times = 1): Promise<void> {
    const { alerting } = this.service.core;
    for (let count = 0; count < times; count++) await alerting.watch.lookAtAll();
    await alerting.delivery?.flush();
  }

  active(): string[] {
    return this.service.core.alerting.board.active().map(({ id }) => id);
  }

  /** A client of the legacy era, with the messages it was sent. */
  async connect(
    kind: 'http' | 'sse',
    {
      subject = 'test',
      scope = 'proxmox:admin',
      level,
    }: { subject?: string; scope?: string; level?: LoggingLevel } = {},
    path = kind === 'sse' ? '/sse' : '/mcp',
  ) {
    const requestInit = await this.#authorized(subject, scope);
    const url = new URL(path, this.service.url);
    const client = new Client({ name: 'v1', version: '1' });
    const messages: { level: string; logger: string; data: Record<string, unknown> }[] = [];
    const updates: string[] = [];
    client.fallbackNotificationHandler = async ({ method, params }) => {
      if (method === 'notifications/message') messages.push(params as never);
      if (method === 'notifications/resources/updated') updates.push(String(params?.uri));
    };
    const made =
      kind === 'http'
        ? new StreamableHTTPClientTransport(url, { requestInit })
        : new SSEClientTransport(url, { requestInit });
    const before = this.service.core.dispatcher.alertNews.size;
    await client.connect(made as Parameters<Client['connect']>[0]);
    this.#open.push(client);
    if (level !== undefined) await client.setLoggingLevel(level);
    // The stream of the session is opened behind the handshake.
    while (this.service.core.dispatcher.alertNews.size === before) await new Promise(setImmediate);
    return {
      client,
      messages,
      updates,
      told: () => messages.splice(0).map(({ level: how, data }) => `${how} ${data.event} ${data.id}`),
    };
  }

  async connectModern() {
    const client = new ModernClient(
      { name: 'v2', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    const requestInit = await this.#authorized('test', 'proxmox:admin');
    await client.connect(new ModernTransport(new URL('/mcp', this.service.url), { requestInit }));
    this.#open.push(client);
    return client;
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#open.splice(0).map((client) => client.close()));
    await this.service.stop();
  }

  async #authorized(subject: string, scope: string) {
    const token = await issueToken(new Secret(JWT_SECRET), {
      subject,
      scope,
      lifetimeSeconds: 600,
      audience: 'proxmox-mcp',
    });
    return { headers: { authorization: `Bearer ${token}` } };
  }
}

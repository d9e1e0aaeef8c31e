import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
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
import { type Service, startService } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Secret } from '../../src/config/secret.ts';
import { createLogger } from '../../src/observability/logging.ts';
import type { SimulatedCluster } from '../../src/simulator/simulator.ts';
import { entryOf, type LogLine } from './reloading-service.ts';

const SECRET = 'observed-test-secret-of-more-than-32-bytes';

type Headers = Readonly<Record<string, string>>;

/** The service as `serve` runs it, its record in a file, and what it logged. */
export class ObservedService {
  readonly folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-observed-'));
  readonly log: LogLine[] = [];
  readonly #open: { close(): Promise<unknown> }[] = [];
  #service: Service | undefined;

  static async start(clusters: readonly SimulatedCluster[], env: Record<string, string> = {}) {
    const made = new ObservedService();
    const entries = Object.fromEntries(clusters.map((cluster) => [cluster.name, entryOf(cluster)]));
    const file = { clusters: entries, default_cluster: clusters[0]?.name };
    writeFileSync(join(made.folder, 'clusters.json'), JSON.stringify(file), { mode: 0o600 });
    const basics = { MCP_JWT_SECRET: SECRET, MCP_PORT: '0', CACHE_DIR: 'cache', AUDIT_FILE: 'audit.jsonl' };
    const config = loadConfig({ env: { ...basics, ...env }, cwd: made.folder });
    const redaction = redactionOf(config);
    const write = (line: string) => void made.log.push(JSON.parse(line));
    made.#service = await startService(
      config,
      createLogger(() => 'debug', redaction, { write }),
      redaction,
    );
    return made;
  }

  get service(): Service {
    if (!this.#service) throw new Error('the service was not started');
    return this.#service;
  }

  token(subject: string): Promise<string> {
    const lasting = { lifetimeSeconds: 600, audience: 'proxmox-mcp' };
    return issueToken(new Secret(SECRET), { subject, scope: 'proxmox:admin', ...lasting });
  }

  async connect(door: 'http' | 'sse' | 'modern', headers: Headers = {}, subject = 'test') {
    const requestInit = { headers: { authorization: `Bearer ${await this.token(subject)}`, ...headers } };
    const url = new URL(door === 'sse' ? '/sse' : '/mcp', this.service.url);
    if (door === 'modern') {
      const negotiation = { versionNegotiation: { mode: { pin: '2026-07-28' } } } as const;
      const client = new ModernClient({ name: 'v2', version: '1' }, negotiation);
      await client.connect(new ModernTransport(url, { requestInit }));
      this.#open.push(client);
      return client;
    }
    const client = new Client({ name: 'v1', version: '1' });
    const Transport = door === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    await client.connect(new Transport(url, { requestInit }) as Parameters<Client['connect']>[0]);
    this.#open.push(client);
    return client;
  }

  get(path: string, headers: Headers = {}): Promise<Response> {
    return fetch(new URL(path, this.service.url), { headers });
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#open.map((client) => client.close()));
    await this.#service?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

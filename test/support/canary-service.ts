import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Logger } from 'pino';
import { onTestFinished, vi } from 'vitest';
import { openCredentials } from '../../src/access/credentials.ts';
import { issueToken } from '../../src/access/tokens.ts';
import { redactionOf } from '../../src/cli/compose.ts';
import { Reloading } from '../../src/cli/reload.ts';
import { type Service, startService } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { SealingKey } from '../../src/config/sealed.ts';
import { Secret } from '../../src/config/secret.ts';
import { createLogger } from '../../src/observability/logging.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { folderWith } from './config-folder.ts';
import { Front } from './front.ts';

export interface ToolAnswer {
  isError?: boolean;
  content: { type: string; text: string }[];
  structuredContent: Record<string, unknown>;
}

/** The service as `serve` runs it, over clusters that a test stands before, with everything it says kept. */
export class CanaryService {
  readonly folder: string;
  /** Log lines, standard error, and what tools and the HTTP service answered. */
  readonly said: string[] = [];
  /** What has to be said nowhere, by name. */
  readonly secrets = new Map<string, string>();
  /** Before `production`, which is reached with a token, and before `staging`, with a password. */
  readonly fronts: { production: Front; staging: Front };
  readonly simulator: Simulator;
  readonly #jwtSecret: Secret;
  #service: Service | undefined;
  #logger: Logger | undefined;
  #reloading: Reloading | undefined;

  private constructor(simulator: Simulator, fronts: { production: Front; staging: Front }) {
    this.simulator = simulator;
    this.fronts = fronts;
    const key = randomBytes(32).toString('base64');
    const jwtSecret = `c4n4ry-jwt-${randomBytes(24).toString('base64')}`;
    this.#jwtSecret = new Secret(jwtSecret);
    this.folder = folderWith({
      '.env':
        `MCP_JWT_SECRET=${jwtSecret}\nMCP_PORT=0\nLOG_LEVEL=trace\nCACHE_DIR=cache\n` +
        `STATE_FILE=state.sqlite\nCLUSTERS_KEY=${key}\n`,
    });
    this.secrets.set('MCP_JWT_SECRET', jwtSecret).set('CLUSTERS_KEY', key);
    this.writeClusters(key);
  }

  static async start(): Promise<CanaryService> {
    const simulator = await startSimulator({
      taskSeconds: 0,
      authDelaySeconds: 0,
      resourcesLagSeconds: 0,
      lockWaitSeconds: 0,
    });
    onTestFinished(() => simulator.close());
    const [production, staging] = await Promise.all([
      Front.start(simulator.cluster('production').url),
      Front.start(simulator.cluster('staging').url),
    ]);
    const made = new CanaryService(simulator, { production, staging });
    made.#keepTickets(simulator.cluster('staging'));
    await made.#start();
    onTestFinished(() => made.#stop());
    return made;
  }

  get url(): URL {
    return new URL('/mcp', this.#running.url);
  }

  get #running(): Service {
    if (this.#service === undefined) throw new Error('not started');
    return this.#service;
  }

  /** Writes clusters.json with the present secrets of the simulated clusters; the third one's is sealed. */
  writeClusters(key = this.secrets.get('CLUSTERS_KEY') ?? ''): void {
    const [production, staging, third] = ['production', 'staging', 'disaster-recovery'].map((name) =>
      this.simulator.cluster(name),
    );
    if (!production || !staging || !third) throw new Error('the demo estate has three clusters');
    const sealing = SealingKey.parse(new Secret(key), 'CLUSTERS_KEY');
    const sealed = sealing.seal(new Secret(third.tokenSecret), { cluster: third.name, key: 'token_secret' });
    const token = this.#tokenOf(production);
    const behind = ({ server }: Front) => ({
      url: `${server.endpoint.host}:${server.endpoint.port}`,
      fingerprint: server.certificate.fingerprint,
    });
    const { user, tokenId } = production;
    const clusters = {
      production: { ...behind(this.fronts.production), user, token_id: tokenId, token_secret: token },
      staging: { ...behind(this.fronts.staging), user: staging.user, password: staging.password },
      'disaster-recovery': {
        url: third.url,
        fingerprint: third.fingerprint,
        user: third.user,
        token_id: third.tokenId,
        token_secret: { sealed },
      },
    };
    this.secrets
      .set(`the token of a cluster ${token.slice(0, 4)}`, token)
      .set('the password of a cluster', staging.password)
      .set('a sealed token', third.tokenSecret);
    writeFileSync(join(this.folder, 'clusters.json'), JSON.stringify({ clusters }), { mode: 0o600 });
  }

  reload(): void {
    this.#reloading?.reload();
  }

  async bearer(scope: string, lifetimeSeconds = 600): Promise<string> {
    const issued = { subject: 'alice', scope, lifetimeSeconds, audience: 'proxmox-mcp' };
    const token = await issueToken(this.#jwtSecret, issued);
    this.secrets.set(`a bearer token ${this.secrets.size}`, token);
    return token;
  }

  async apiKey(scope: string): Promise<string> {
    const { key } = await openCredentials(this.#running.core.state).apiKeys.add('bot', scope, 600);
    this.secrets.set('an API key', key);
    return key;
  }

  /** A tool as this caller sees it. What it answers is kept, unless it is `meant` to hold a secret. */
  async connect(bearer: string) {
    const client = new Client({ name: 'canaries', version: '1' });
    const requestInit = { headers: { authorization: `Bearer ${bearer}` } };
    const transport = new StreamableHTTPClientTransport(this.url, { requestInit });
    await client.connect(transport as Parameters<Client['connect']>[0]);
    onTestFinished(() => client.close());
    return async (
      name: string,
      args: Record<string, unknown>,
      { signal, meant = false }: { signal?: AbortSignal; meant?: boolean } = {},
    ): Promise<ToolAnswer | undefined> => {
      try {
        const answer = await client.callTool({ name, arguments: args }, undefined, {
          timeout: 60_000,
          ...(signal ? { signal } : {}),
        });
        if (!meant) this.said.push(JSON.stringify(answer));
        return answer as unknown as ToolAnswer;
      } catch (error) {
        this.said.push(String(error), error instanceof Error ? String(error.stack) : '');
        return undefined;
      }
    };
  }

  /** Logs every secret that the process itself knows, as somebody might without a thought. */
  logCarelessly(): void {
    for (const [name, secret] of this.secrets) {
      if (/^(?:the secret of a new token|a bearer token that is none)$/.test(name)) continue;
      const cause = Object.assign(new Error(`cause ${secret}`), { request: { body: secret } });
      const line = { what: { name, deep: [secret] }, err: new Error(`failed with ${secret}`, { cause }) };
      // Of what a client brings, the process knows no more than what it looks like.
      const isOurs = !/bearer|API key/.test(name);
      const encoded = isOurs ? [btoa(`user:${secret}`), encodeURIComponent(secret)] : [];
      this.#logger?.child({ bound: secret }).trace({ ...line, encoded }, `careless ${secret}`);
    }
  }

  /** A request as no client would send it; what comes back is kept. */
  async http(path: string, init: RequestInit): Promise<void> {
    const answer = await fetch(new URL(path, this.url), init);
    this.said.push(JSON.stringify([...answer.headers]), await answer.text());
  }

  #tokenOf({ state, user, tokenId }: SimulatedCluster): string {
    return state.access.findToken(user, tokenId)?.secret ?? '';
  }

  #keepTickets({ state: { tickets } }: SimulatedCluster): void {
    const issue = tickets.issue.bind(tickets);
    tickets.issue = (user) => {
      const issued = issue(user);
      const number = this.secrets.size;
      this.secrets.set(`a ticket ${number}`, issued.ticket).set(`a CSRF token ${number}`, issued.csrf);
      return issued;
    };
  }

  async #start(): Promise<void> {
    const source = { env: {}, cwd: this.folder };
    const config = loadConfig(source);
    const redaction = redactionOf(config);
    const keep = (line: string | Uint8Array): boolean => this.said.push(String(line)) > 0;
    const spies = [process.stderr, process.stdout].map((stream) => {
      return vi.spyOn(stream, 'write').mockImplementation(keep);
    });
    onTestFinished(() => {
      for (const spy of spies) spy.mockRestore();
    });
    const logger = createLogger(() => config.logLevel, redaction, {
      write: (line: string) => void keep(line),
    });
    this.#logger = logger;
    const service = await startService(config, logger, redaction);
    await service.validated;
    this.#service = service;
    const { core } = service;
    this.#reloading = new Reloading({ source, config, core, logger, onHangUp: () => undefined });
  }

  async #stop(): Promise<void> {
    await this.#reloading?.close();
    await this.#service?.stop();
    await this.fronts.production.close();
    await this.fronts.staging.close();
  }
}

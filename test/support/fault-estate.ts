import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { pino } from 'pino';
import { Agent, fetch as undiciFetch } from 'undici';
import { vi } from 'vitest';
import { loadBuiltInCatalogue } from '../../src/catalogue/builtin.ts';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import type { EngineDeps } from '../../src/proxmox/engine.ts';
import type { ErrorBody } from '../../src/proxmox/errors.ts';
import type { RecordedRequest } from '../../src/simulator/requests.ts';
import {
  type SimulatedCluster,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '../../src/simulator/simulator.ts';
import { configFor, TOKEN_CANARY } from './engine-fixtures.ts';
import { Front } from './front.ts';
import { Relay } from './relay.ts';
import { buildService, type TestService, tokenFor } from './service.ts';

/** The cluster that things happen to; what stands beside it has to go on as if nothing did. */
const TARGET = 'production';

/** Milliseconds by which the clocks are ahead, to pass time without waiting. */
export interface Skew {
  service: number;
  simulator: number;
}

export interface EstateOptions {
  /** What is between the service and the target: TCP alone, or a reverse proxy with its own certificate. */
  by?: 'relay' | 'front';
  /** Changes the target's configuration. */
  configure?: (cluster: SimulatedCluster) => Partial<ClusterConfig>;
  limits?: EngineDeps['limits'];
  callDeadlineSeconds?: number;
  /** The target gives away its API schema; reading it takes each service a while, and few tests are about it. */
  schema?: true;
}

export interface ToolArguments {
  [name: string]: unknown;
}

/** What a tool answered. */
export interface ToolAnswer extends Record<string, unknown> {
  error?: ErrorBody;
}

const builtIn = once(loadBuiltInCatalogue);

/** Short enough for a suite, long enough for a busy machine. */
const LIMITS = { deadlineMs: 500, connectMs: 400 };

/** A simulator whose clock the test moves. */
export async function startSkewed(
  options: SimulatorOptions = {},
): Promise<{ simulator: Simulator; skew: Skew }> {
  const skew = { service: 0, simulator: 0 };
  const clock = (): number => Date.now() + skew.simulator;
  const simulator = await startSimulator({
    taskSeconds: 0.03,
    authDelaySeconds: 0,
    resourcesLagSeconds: 0,
    lockWaitSeconds: 0,
    clock,
    ...options,
  });
  return { simulator, skew };
}

/** A password that must appear nowhere but in a login. */
export const PASSWORD_CANARY = 'c4n4ry-pass-word-000002';

/** A password in place of the token: the one of the service's account unless told. */
export function byPassword(
  { user, password: known }: SimulatedCluster,
  password = known,
): Partial<ClusterConfig> {
  return { credentials: { kind: 'password', user, password: new Secret(password) } };
}

/** The whole service over a simulator, and one MCP client of it. */
export class FaultEstate {
  readonly simulator: Simulator;
  readonly target: SimulatedCluster;
  readonly skew: Skew;
  readonly #parts: Parts;
  readonly #from: number;
  readonly #answers: string[] = [];

  private constructor(simulator: Simulator, skew: Skew, parts: Parts) {
    this.simulator = simulator;
    this.skew = skew;
    this.target = simulator.cluster(targetName(simulator));
    this.#parts = parts;
    this.#from = this.target.requests.length;
  }

  static async start(simulator: Simulator, skew: Skew, options: EstateOptions = {}): Promise<FaultEstate> {
    for (const { name, faults } of simulator.clusters) {
      await faults.clear();
      if (options.schema && name === targetName(simulator)) continue;
      faults.add({ kind: 'status', code: 403, match: /apidoc/ });
    }
    return new FaultEstate(simulator, skew, await assemble(simulator, skew, options));
  }

  get relay(): Relay {
    return present(this.#parts.relay);
  }

  get front(): Front {
    return present(this.#parts.front);
  }

  /** Names of the other clusters. */
  get others(): string[] {
    return this.simulator.clusters.map(({ name }) => name).filter((name) => name !== this.target.name);
  }

  /** What has arrived at the target's nodes since this service started. */
  get requests(): RecordedRequest[] {
    return this.target.requests.slice(this.#from);
  }

  /** … and could have changed something; logins and what the service asks by itself apart. */
  get writes(): RecordedRequest[] {
    return this.requests.filter(({ method, path }) => method !== 'GET' && !path.endsWith('/access/ticket'));
  }

  get logins(): RecordedRequest[] {
    return this.requests.filter(({ path }) => path.endsWith('/access/ticket'));
  }

  async call(tool: string, args: ToolArguments, signal?: AbortSignal): Promise<ToolAnswer> {
    const options = { timeout: 30_000, ...(signal ? { signal } : {}) };
    const answer = await this.#parts.client.callTool({ name: tool, arguments: args }, undefined, options);
    this.#answers.push(JSON.stringify(answer));
    return answer.structuredContent as ToolAnswer;
  }

  /** `proxmox_api_call` on the target. */
  ask(method: string, path: string, more: ToolArguments = {}, signal?: AbortSignal): Promise<ToolAnswer> {
    return this.call('proxmox_api_call', { cluster: this.target.name, method, path, ...more }, signal);
  }

  /** Lets time pass for the service and the simulator. */
  pass(seconds: number): void {
    this.skew.service += seconds * 1000;
    this.skew.simulator += seconds * 1000;
  }

  /** Every connection to the target is cut, so that the next call has to connect. */
  async cut(): Promise<void> {
    await this.target.stop();
    await this.target.start();
    await vi.waitFor(() => {
      if (this.#connections() > 0) throw new Error('the service has not yet seen that they are cut');
    });
  }

  /** Those that the service takes for open. */
  #connections(): number {
    const ofTarget = this.#parts.manager.states().filter(({ cluster }) => cluster === this.target.name);
    return ofTarget.reduce((sum, { connections }) => sum + connections, 0);
  }

  /** Everything a person could have seen: answers and the log. */
  get seen(): string {
    const { lines, service } = this.#parts;
    return [...this.#answers, ...lines, ...service.lines].join('\n');
  }

  /** What must not be in there. */
  get secrets(): string[] {
    const all = this.simulator.clusters.flatMap(({ tokenSecret, limitedTokenSecret, password }) => [
      tokenSecret,
      limitedTokenSecret,
      password,
    ]);
    return [...all, TOKEN_CANARY, PASSWORD_CANARY, 'PVE:mcp@pve:'];
  }

  async closeService(): Promise<void> {
    const { client, agent, service, manager } = this.#parts;
    await client.close();
    await agent.destroy();
    await service.close();
    await manager.close();
  }

  async close(): Promise<void> {
    await this.target.faults.clear();
    await this.closeService();
    await this.#parts.front?.close();
    await this.#parts.relay?.close();
  }
}

interface Parts {
  manager: ClusterManager;
  service: TestService;
  client: Client;
  agent: Agent;
  lines: string[];
  relay: Relay | undefined;
  front: Front | undefined;
}

function targetName({ clusters }: Simulator): string {
  const names = clusters.map(({ name }) => name);
  return names.includes(TARGET) ? TARGET : present(names[0]);
}

async function assemble(simulator: Simulator, skew: Skew, options: EstateOptions): Promise<Parts> {
  const target = simulator.cluster(targetName(simulator));
  const relay = options.by === 'relay' ? await Relay.start(target.url) : undefined;
  const front = options.by === 'front' ? await Front.start(target.url) : undefined;
  const changes = { ...endpointsBy(target, relay, front), ...options.configure?.(target) };
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const configs = simulator.clusters.map((cluster) => configFor(cluster, cluster === target ? changes : {}));
  const manager = new ClusterManager(
    { clusters: configs },
    {
      logger,
      clock: { now: () => Date.now() + skew.service },
      random: () => 0,
      builtIn,
      limits: { ...LIMITS, ...options.limits },
    },
  );
  const service = await buildService({
    estate: manager,
    callDeadlineSeconds: options.callDeadlineSeconds ?? 10,
  });
  const { client, agent } = await connect(await service.listen());
  return { manager, service, client, agent, lines, relay, front };
}

function endpointsBy(
  { fingerprint }: SimulatedCluster,
  relay: Relay | undefined,
  front: Front | undefined,
): Partial<ClusterConfig> {
  if (relay) return { endpoints: [{ host: '127.0.0.1', port: relay.port, fingerprint }] };
  if (!front) return {};
  const { endpoint, certificate } = front.server;
  return { endpoints: [{ ...endpoint, fingerprint: certificate.fingerprint }] };
}

async function connect(url: string): Promise<{ client: Client; agent: Agent }> {
  const agent = new Agent();
  const client = new Client({ name: 'fault-test', version: '1' });
  const headers = { authorization: `Bearer ${await tokenFor('alice')}` };
  const fetching = async (input: string | URL, init: RequestInit = {}) => {
    // The stream on which a server speaks first is of no use here, and optional for clients.
    if (init.method === 'GET') return new Response(null, { status: 405 });
    const own = { ...init, dispatcher: agent } as Parameters<typeof undiciFetch>[1];
    return (await undiciFetch(input, own)) as unknown as Response;
  };
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), {
    requestInit: { headers },
    fetch: fetching,
  });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  return { client, agent };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function present<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('this estate was started without it');
  return part;
}

import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import type { SimulatedCluster, Simulator } from '../../src/simulator/simulator.ts';
import { secretOf } from './canary-parameters.ts';
import { configFor, SILENT } from './engine-fixtures.ts';
import { KEPT_CATALOGUES } from './kept-catalogues.ts';
import { buildService, type ServiceOptions, type TestService, tokenFor } from './service.ts';

type Structured = Record<string, unknown>;

export const DOORS = ['streamable', 'sse', 'stateless'] as const;
export type DoorName = (typeof DOORS)[number];

export interface ConnectOptions {
  door?: DoorName;
  subject?: string;
  scope?: string;
  /** In place of a token for `subject`. */
  token?: string;
  headers?: Record<string, string>;
}

export interface Answer {
  isError: boolean;
  /** All of the answer, as it came. */
  raw: string;
  data: Structured;
  error:
    | { code: string; message: string; hint: string; retry_after_seconds?: number; plan?: Plan }
    | undefined;
}

/** A plan as an answer shows it. */
interface Plan {
  number: number;
  approval: string;
  handle?: string;
  [key: string]: unknown;
}

export interface GuardedClient {
  call(tool: string, args?: Structured): Promise<Answer>;
  /** `METHOD /path`, on `production` unless `more` names another. */
  api(line: string, data?: Structured, more?: Structured): Promise<Answer>;
  tools(): Promise<string[]>;
  close(): Promise<void>;
}

export interface GuardedOptions extends Omit<ServiceOptions, 'estate'> {
  /** Of every cluster. */
  cluster?: Partial<ClusterConfig>;
  /** In place of a token and nothing else. */
  configOf?: (cluster: SimulatedCluster) => ClusterConfig;
}

/** The whole service over a simulated estate, entered by any of its HTTP doors, with what arrived at the simulator. */
export class GuardedService {
  readonly service: TestService;
  readonly manager: ClusterManager;
  readonly url: string;
  readonly #simulator: Simulator;
  readonly #open: { close(): Promise<unknown> }[] = [];
  #marks: number[] = [];

  private constructor(simulator: Simulator, manager: ClusterManager, service: TestService, url: string) {
    this.#simulator = simulator;
    this.manager = manager;
    this.service = service;
    this.url = url;
    this.mark();
  }

  static async start(
    simulator: Simulator,
    { cluster, configOf = configFor, ...options }: GuardedOptions = {},
  ) {
    const configs = simulator.clusters.map((one) => ({ ...configOf(one), ...cluster }));
    const manager = new ClusterManager({ clusters: configs }, { ...KEPT_CATALOGUES, logger: SILENT });
    const service = await buildService({ estate: manager, ...options });
    return new GuardedService(simulator, manager, service, await service.listen());
  }

  async connect(options: ConnectOptions = {}): Promise<GuardedClient> {
    const { door = 'streamable', subject = 'alice', scope, headers = {} } = options;
    const authorization = `Bearer ${options.token ?? (await tokenFor(subject, scope))}`;
    const requestInit = { headers: { authorization, ...headers } };
    const client = await (door === 'stateless' ? this.#modern(requestInit) : this.#legacy(door, requestInit));
    this.#open.push(client);
    const call = async (tool: string, args: Structured = {}): Promise<Answer> =>
      answerOf(await client.callTool({ name: tool, arguments: args }));
    return {
      call,
      api: (line, data, more = {}) => {
        const [method, path] = line.split(' ');
        const given = data === undefined ? {} : { data };
        return call('proxmox_api_call', { cluster: 'production', method, path, ...given, ...more });
      },
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      close: async () => client.close(),
    };
  }

  /** From here on requests are counted. */
  mark(): void {
    this.#marks = this.#simulator.clusters.map(({ requests }) => requests.length);
  }

  /** What arrived since the mark, as `METHOD /path`. */
  requests(): string[] {
    return this.#simulator.clusters.flatMap(({ requests }, index) =>
      requests
        .slice(this.#marks[index])
        .map(({ method, path }) => `${method} ${path.replace('/api2/json', '')}`),
    );
  }

  /** Of these what is no GET; a login is none of the caller's. */
  writes(): string[] {
    return this.requests().filter((line) => !line.startsWith('GET ') && line !== 'POST /access/ticket');
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#open.map((client) => client.close()));
    await this.service.close();
    await this.manager.close();
  }

  async #legacy(door: 'streamable' | 'sse', requestInit: { headers: Record<string, string> }) {
    const client = new Client({ name: 'v1', version: '1' });
    const transport =
      door === 'sse'
        ? new SSEClientTransport(new URL('/sse', this.url), { requestInit })
        : new StreamableHTTPClientTransport(new URL('/mcp', this.url), { requestInit });
    await client.connect(transport as Parameters<Client['connect']>[0]);
    return client;
  }

  async #modern(requestInit: { headers: Record<string, string> }) {
    const client = new ModernClient(
      { name: 'v2', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    await client.connect(new ModernTransport(new URL('/mcp', this.url), { requestInit }));
    return client;
  }
}

export function answerOf(result: unknown): Answer {
  const { isError = false, structuredContent = {} } = result as {
    isError?: boolean;
    structuredContent?: Structured;
  };
  const error = structuredContent.error as Answer['error'];
  return { isError, raw: JSON.stringify(result), data: structuredContent, error };
}

/** Calls that write, of every method and every risk, as a line and its data. */
export const WRITES: readonly (readonly [line: string, data?: Structured])[] = [
  ['POST /nodes/pve1/qemu/100/status/start'],
  ['POST /nodes/pve1/qemu/100/status/stop'],
  ['PUT /nodes/pve1/qemu/100/config', { cores: 2 }],
  ['PUT /nodes/pve1/qemu/100/config', { delete: 'scsi0' }],
  ['DELETE /nodes/pve1/qemu/100'],
  ['DELETE /nodes/pve1/qemu/100/snapshot/installed'],
  ['POST /nodes/pve1/qemu/100/snapshot/installed/rollback'],
  ['POST /nodes/pve1/qemu/100/agent/exec', { command: ['id'] }],
  [
    'POST /nodes/pve1/qemu/100/agent/set-user-password',
    { username: 'root', password: secretOf('the password of a user in a guest') },
  ],
  ['POST /access/users/mcp@pve/token/other'],
  ['POST /nodes/pve1/startall', { vms: '100,110' }],
  ['POST /nodes/pve1/stopall'],
  ['POST /nodes/pve1/status', { command: 'reboot' }],
  ['POST /nodes/pve1/no/such/method'],
  ['DELETE /access/users/mcp@pve'],
  ['PUT /access/password', { userid: 'mcp@pve', password: secretOf('a changed password') }],
];

import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { onTestFinished } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor, SILENT } from './engine-fixtures.ts';
import { KEPT_CATALOGUES } from './kept-catalogues.ts';
import { buildService, type ServiceOptions, type TestService, tokenFor } from './service.ts';

export const ERAS = ['http', 'sse', 'modern'] as const;
export type Era = (typeof ERAS)[number];

export interface BesideOptions extends Omit<ServiceOptions, 'estate'> {
  simulator?: SimulatorOptions;
  clusters?: readonly string[];
  cluster?: Partial<ClusterConfig>;
}

interface Connecting {
  subject?: string;
  scope?: string;
  path?: string;
  headers?: Record<string, string>;
}

/** Of either SDK line: what they have in common, as this asks for it. */
export type BesideClient = Pick<
  Client,
  | 'listResources'
  | 'listResourceTemplates'
  | 'readResource'
  | 'listPrompts'
  | 'getPrompt'
  | 'complete'
  | 'getServerCapabilities'
  | 'getInstructions'
  | 'close'
>;

export interface Connected {
  client: BesideClient;
  /** URIs of the updates that arrived. */
  updates: string[];
  /** How often the list of resources was said to have changed. */
  lists: { resources: number };
  /** Subscribes as the era has it. @returns takes it back */
  subscribe(...uris: string[]): Promise<() => Promise<void>>;
}

/** The whole service over simulated clusters, for clients of both eras. All is closed after the test. */
export class BesideSite {
  readonly simulator: Simulator;
  readonly service: TestService;
  readonly #url: string;

  private constructor(simulator: Simulator, service: TestService, url: string) {
    this.simulator = simulator;
    this.service = service;
    this.#url = url;
  }

  static async start({ simulator: how, clusters, cluster, ...options }: BesideOptions = {}) {
    const quick = { taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 };
    const simulator = await startSimulator({ ...quick, ...how });
    onTestFinished(() => simulator.close());
    const wanted = clusters ?? simulator.clusters.map(({ name }) => name);
    const configs = wanted.map((name) => configFor(simulator.cluster(name), cluster));
    const manager = new ClusterManager(
      { clusters: configs },
      { ...KEPT_CATALOGUES, logger: SILENT, random: () => 0 },
    );
    onTestFinished(() => manager.close());
    const service = await buildService({ estate: manager, ...options });
    onTestFinished(() => service.close());
    return new BesideSite(simulator, service, await service.listen());
  }

  async connect(era: Era, { subject = 'alice', scope, path, headers }: Connecting = {}): Promise<Connected> {
    const authorization = `Bearer ${await tokenFor(subject, scope)}`;
    const requestInit = { headers: { authorization, ...headers } };
    const url = new URL(path ?? (era === 'sse' ? '/sse' : '/mcp'), this.#url);
    return era === 'modern' ? this.#modern(url, requestInit) : this.#legacy(era, url, requestInit);
  }

  async #legacy(era: 'http' | 'sse', url: URL, requestInit: RequestInit): Promise<Connected> {
    const client = new Client({ name: 'v1', version: '1' });
    const told = counters();
    client.fallbackNotificationHandler = async ({ method, params }) => told.note(method, params);
    const transport =
      era === 'http'
        ? new StreamableHTTPClientTransport(url, { requestInit })
        : new SSEClientTransport(url, { requestInit });
    await client.connect(transport as Parameters<Client['connect']>[0]);
    onTestFinished(() => client.close());
    // The GET stream of a session opens after `connect` has resolved.
    if (era === 'http') await new Promise((opened) => setTimeout(opened, 300));
    return {
      client,
      ...told,
      subscribe: async (...uris) => {
        await Promise.all(uris.map((uri) => client.subscribeResource({ uri })));
        return async () => void (await Promise.all(uris.map((uri) => client.unsubscribeResource({ uri }))));
      },
    };
  }

  async #modern(url: URL, requestInit: RequestInit): Promise<Connected> {
    const mode = { pin: '2026-07-28' };
    const client = new ModernClient({ name: 'v2', version: '1' }, { versionNegotiation: { mode } });
    const told = counters();
    client.setNotificationHandler('notifications/resources/updated', ({ method, params }) =>
      told.note(method, params),
    );
    client.setNotificationHandler('notifications/resources/list_changed', ({ method }) => told.note(method));
    await client.connect(new ModernTransport(url, { requestInit }));
    onTestFinished(() => client.close());
    return {
      client: client as unknown as BesideClient,
      ...told,
      subscribe: async (...uris) => {
        const subscription = await client.listen({ resourceSubscriptions: uris, resourcesListChanged: true });
        const honoured = subscription.honoredFilter?.resourceSubscriptions ?? [];
        if (honoured.length < uris.length) throw new Error(`honoured: ${honoured.join(', ') || 'none'}`);
        return () => subscription.close();
      },
    };
  }
}

function counters() {
  const updates: string[] = [];
  const lists = { resources: 0 };
  return {
    updates,
    lists,
    note: (method: string, params?: object): void => {
      if (method === 'notifications/resources/updated')
        updates.push(String((params as { uri?: unknown }).uri));
      if (method === 'notifications/resources/list_changed') lists.resources++;
    },
  };
}

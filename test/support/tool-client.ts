import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { onTestFinished } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import type { RecordedRequest } from '../../src/simulator/requests.ts';
import {
  type SimulatedCluster,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '../../src/simulator/simulator.ts';
import { configFor, SILENT } from './engine-fixtures.ts';
import type { TestGate } from './gate.ts';
import { KEPT_CATALOGUES } from './kept-catalogues.ts';
import { buildService, tokenFor } from './service.ts';

type Structured = Record<string, unknown>;

/** An answer or an error of a tool, as a test reads it: deep and untyped. */
// biome-ignore lint/suspicious/noExplicitAny: what a tool answers is asserted, not typed
export type Answer = any;

export interface ToolClient {
  /** Calls a tool and gives its structured answer; fails the test where the tool answers an error. */
  call(name: string, args?: Structured): Promise<Answer>;
  /** Calls a tool that has to fail, and gives its error. */
  refused(name: string, args?: Structured): Promise<Answer>;
  /** The sentence for people. */
  text(name: string, args?: Structured): Promise<string>;
  simulator: Simulator;
  /** The simulated cluster `production`: assert on its `state` and `requests`. */
  production: SimulatedCluster;
  /** Requests other than GET that reached `production`. */
  writes(): RecordedRequest[];
  client: Client;
}

export interface ToolClientOptions {
  /** Tasks are over at once, and nothing lags or is delayed, where absent. */
  simulator?: SimulatorOptions;
  /** All clusters of the simulator where absent. */
  clusters?: readonly string[];
  config?: Partial<ClusterConfig> | ((cluster: SimulatedCluster) => Partial<ClusterConfig>);
  scope?: string;
  gateOptions?: TestGate;
  readOnly?: boolean;
}

/**
 * The whole service over simulated clusters, with a real MCP client. All is closed after the test. It does not list the
 * tools, which would cost each test a tenth of a second: test/integration/every-tool.test.ts holds the answer of each tool
 * against its own schema.
 */
export async function toolClient(options: ToolClientOptions = {}): Promise<ToolClient> {
  const quick = { taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 };
  const simulator = await startSimulator({ ...quick, ...options.simulator });
  onTestFinished(() => simulator.close());
  const wanted = options.clusters ?? simulator.clusters.map(({ name }) => name);
  const configs = wanted.map((name) => {
    const cluster = simulator.cluster(name);
    return configFor(
      cluster,
      typeof options.config === 'function' ? options.config(cluster) : options.config,
    );
  });
  const manager = new ClusterManager(
    { clusters: configs },
    { ...KEPT_CATALOGUES, logger: SILENT, random: () => 0 },
  );
  onTestFinished(() => manager.close());
  const { gateOptions, readOnly } = options;
  const service = await buildService({
    estate: manager,
    ...(gateOptions === undefined ? {} : { gateOptions }),
    ...(readOnly === undefined ? {} : { readOnly }),
  });
  onTestFinished(() => service.close());
  const url = await service.listen();
  const client = new Client({ name: 'tools', version: '1' });
  const headers = { authorization: `Bearer ${await tokenFor('alice', options.scope)}` };
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit: { headers } });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  onTestFinished(() => client.close());
  const ask = (name: string, args: Structured = {}) =>
    client.callTool({ name, arguments: args }, undefined, { timeout: 15_000 });
  const production = simulator.cluster(wanted[0] ?? 'production');
  return {
    async call(name, args) {
      const { isError, structuredContent } = await ask(name, args);
      if (isError) throw new Error(`${name} failed: ${JSON.stringify(structuredContent)}`);
      return structuredContent;
    },
    async refused(name, args) {
      const { isError, structuredContent } = await ask(name, args);
      if (!isError) throw new Error(`${name} did not fail: ${JSON.stringify(structuredContent)}`);
      return (structuredContent as { error: Answer }).error;
    },
    text: async (name, args) => ((await ask(name, args)).content as { text: string }[])[0]?.text ?? '',
    simulator,
    production,
    writes: () => production.requests.filter(({ method }) => method !== 'GET'),
    client,
  };
}

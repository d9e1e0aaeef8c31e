import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, onTestFinished } from 'vitest';
import { issueToken } from '../../src/access/tokens.ts';
import { redactionOf } from '../../src/cli/compose.ts';
import { type Service, startService } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Secret } from '../../src/config/secret.ts';
import { createLogger } from '../../src/observability/logging.ts';
import type { ClusterSpec } from '../../src/simulator/estate.ts';
import { folderWith } from './config-folder.ts';
import { type Answer, answerOf } from './guarded-service.ts';
import { entryOf } from './reloading-service.ts';
import { SimulatedApi } from './simulated-api.ts';

const SECRET = 'jobs-test-secret-of-more-than-32-bytes-0001';
/** Of the simulator's clock, which the tests move: no task ends before they say so. */
const TASK_SECONDS = 600;
const NO_APPROVAL = { change: 'none', secret: 'none', destroy: 'none', execute: 'none', bulk: 'none' };
const POLICY = {
  roles: { all: { grants: [{ allow: '*' }] } },
  principals: [
    { match: { subject: 'tenant' }, roles: 'all', tenant: { tags: 'mine' } },
    { match: { subject: ['alice', 'bob'] }, roles: 'all' },
  ],
  approval: NO_APPROVAL,
};

const spec = (name: string): ClusterSpec => ({
  name,
  nodes: [{ name: 'n1' }],
  guests: [100, 101, 102].map((vmid) => ({
    ...{ vmid, type: 'qemu', name: `${name}-${vmid}`, node: 'n1', diskGib: 4, memoryMib: 512 },
    ...(vmid === 102 ? { tags: ['mine'] } : {}),
  })),
});

export type Line = Record<string, unknown>;
export interface Row extends Line {
  upid: string;
  status: string;
}
export type Call = (tool: string, args?: Line) => Promise<Answer>;

/** The service as `serve` runs it, over one folder; `serve` may be called again after `stop`. */
export async function jobsSite(specs: ClusterSpec[] = [spec('one'), spec('two')]) {
  const api = await SimulatedApi.start({
    clusters: specs,
    taskSeconds: TASK_SECONDS,
    resourcesLagSeconds: 0,
  });
  onTestFinished(() => api.close());
  const clusters = Object.fromEntries(api.simulator.clusters.map((one) => [one.name, entryOf(one)]));
  const folder = folderWith({
    '.env': `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\nCACHE_DIR=cache\nSTATE_FILE=state.db\nAUDIT_FILE=audit.jsonl\nPOLICY_FILE=policy.json\n`,
    'clusters.json': { clusters },
    'policy.json': POLICY,
  });
  const audit = join(folder, 'audit.jsonl');
  /** What arrived at the simulator. */
  const arrived = (method: string, part = '') =>
    api.simulator.clusters.flatMap(({ requests }) =>
      requests.filter((request) => request.method === method && request.path.includes(part)),
    );
  return {
    audit,
    arrived,
    /** How often somebody asked how a task stands. */
    questions: () => arrived('GET', '/tasks/UPID').length,
    cluster: (name: string) => api.simulator.cluster(name),
    /** Every task that runs comes to its end. */
    endTasks: () => api.pass(TASK_SECONDS),
    folder,
    serve: () => serve(folder),
    /** Lines of a kind in the record. */
    lines: (kind: string): Line[] =>
      readFileSync(audit, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line)
        .filter((line) => line.kind === kind),
  };
}

async function serve(cwd: string) {
  const config = loadConfig({ env: {}, cwd });
  const redaction = redactionOf(config);
  const logger = createLogger(() => 'trace', redaction, { write: () => undefined });
  const service: Service = await startService(config, logger, redaction);
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await service.stop();
  };
  onTestFinished(stop);
  const connect = (subject: string, path = '/mcp', onprogress?: () => void): Promise<Call> =>
    connectTo(new URL(path, service.url), subject, onprogress);
  return { service, stop, connect };
}

/** A client that holds each answer against its tool's schema. */
export async function connectTo(url: URL, subject: string, onprogress?: () => void): Promise<Call> {
  const claims = { subject, scope: 'proxmox:admin', lifetimeSeconds: 600, audience: 'proxmox-mcp' };
  const headers = { authorization: `Bearer ${await issueToken(new Secret(SECRET), claims)}` };
  const client = new Client({ name: 'jobs', version: '1' });
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  await client.listTools();
  onTestFinished(() => client.close());
  const options = onprogress === undefined ? {} : { onprogress };
  return async (name, args = {}) =>
    answerOf(await client.callTool({ name, arguments: args }, undefined, options));
}

/** Starts a VM. @returns the UPID */
export async function startVm(call: Call, vmid: number, cluster = 'one'): Promise<string> {
  const path = `/nodes/n1/qemu/${vmid}/status/start`;
  const { data, raw } = await call('proxmox_api_call', { cluster, method: 'POST', path });
  expect(raw).toContain('UPID:');
  return String(data.data);
}

/** The rows of `list_jobs`. */
export async function listedJobs(call: Call, args: Line = {}): Promise<Row[]> {
  const { data, error } = await call('list_jobs', args);
  expect(error).toBeUndefined();
  return data.jobs as Row[];
}

/** For `vi.waitFor`. */
export const soon = { timeout: 8000, interval: 20 };

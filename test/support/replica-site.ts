import { type IncomingMessage, request } from 'node:http';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { issueToken } from '../../src/access/tokens.ts';
import { redactionOf } from '../../src/cli/compose.ts';
import { type Service, startService } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Secret } from '../../src/config/secret.ts';
import { createLogger } from '../../src/observability/logging.ts';
import { connectRedis, type SharedRedis } from '../../src/replicas/redis.ts';
import { ReplicaRegistry } from '../../src/replicas/registry.ts';
import { folderWith } from './config-folder.ts';
import { startRedis } from './redis.ts';
import { entryOf } from './reloading-service.ts';
import { SimulatedApi } from './simulated-api.ts';

export const SECRET = 'replica-test-secret-of-more-than-32-bytes-01';
const NO_APPROVAL = { change: 'none', secret: 'none', destroy: 'none', execute: 'none', bulk: 'none' };

export const PROTOCOL = '2025-11-25';
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 'begin',
  method: 'initialize',
  params: { protocolVersion: PROTOCOL, capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};

export interface Answered {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

/** One request of HTTP, with the answer as a whole. */
export function send(
  url: string,
  method: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A token of the site. */
export function tokenOf(subject: string, scope = 'proxmox:admin'): Promise<string> {
  const claims = { subject, scope, lifetimeSeconds: 600, audience: 'proxmox-mcp' };
  return issueToken(new Secret(SECRET), claims);
}

/** What a client of Streamable HTTP sends with each request. */
export function headersOf(token: string, session?: string): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    ...(session === undefined ? {} : { 'mcp-session-id': session, 'mcp-protocol-version': PROTOCOL }),
  };
}

/** Opens a session. @returns its id */
export async function openSession(url: string, token: string): Promise<string> {
  const { headers, text } = await send(`${url}/mcp`, 'POST', headersOf(token), INITIALIZE);
  const id = headers['mcp-session-id'];
  if (typeof id !== 'string') throw new Error(`no session: ${text}`);
  const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
  await send(`${url}/mcp`, 'POST', headersOf(token, id), initialized);
  return id;
}

export interface Replica {
  service: Service;
  url: string;
  log: string[];
  stop(): Promise<void>;
}

/** Replicas in this process, with one Redis and one simulated cluster. */
export async function replicaSite(env: Record<string, string> = {}) {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const api = await SimulatedApi.start({
    clusters: [
      {
        name: 'one',
        nodes: [{ name: 'n1' }],
        guests: [100, 101, 102].map((vmid) => ({
          ...{ vmid, type: 'qemu' as const, name: `one-${vmid}`, node: 'n1', diskGib: 4, memoryMib: 512 },
        })),
      },
    ],
    resourcesLagSeconds: 0,
  });
  onTestFinished(() => api.close());
  const [cluster] = api.simulator.clusters;
  if (cluster === undefined) throw new Error('no cluster was simulated');
  const connected = (): SharedRedis => {
    const shared = connectRedis(redis.url, pino({ level: 'silent' }));
    onTestFinished(() => shared.close());
    return shared;
  };
  return {
    redis,
    cluster,
    api,
    connected,
    arrived: (method: string, part = '') =>
      cluster.requests.filter((one) => one.method === method && one.path.includes(part)),
    /** A replica that is at an address and does nothing by itself. */
    pretend: async (url: string): Promise<ReplicaRegistry> => {
      const shared = connected();
      await up(shared);
      const registry = new ReplicaRegistry({ redis: shared, logger: pino({ level: 'silent' }) });
      await registry.join(url);
      onTestFinished(() => registry.leave());
      return registry;
    },
    start: (more: Record<string, string> = {}) => start({ REDIS_URL: redis.url, ...env, ...more }),
  };

  async function start(variables: Record<string, string>): Promise<Replica> {
    const cwd = folderWith({
      '.env': `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\nCACHE_DIR=cache\nAUDIT_FILE=audit.jsonl\nPOLICY_FILE=policy.json\nCLUSTER_VALIDATION=false\nALERT_INTERVAL_SECONDS=0\n`,
      'clusters.json': { clusters: { one: entryOf(api.simulator.cluster('one')) } },
      'policy.json': {
        roles: {
          all: { grants: [{ allow: '*' }] },
          slow: { grants: [{ allow: '*' }], limits: { calls_per_minute: 3 } },
        },
        principals: [
          { match: { subject: 'hasty' }, roles: 'slow' },
          { match: { subject: ['alice', 'bob'] }, roles: 'all' },
        ],
        approval: NO_APPROVAL,
      },
    });
    const config = loadConfig({ env: variables, cwd });
    const redaction = redactionOf(config);
    const log: string[] = [];
    const logger = createLogger(() => 'debug', redaction, { write: (line: string) => void log.push(line) });
    const service = await startService(config, logger, redaction);
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      stopped ??= service.stop();
      return stopped;
    };
    onTestFinished(stop);
    return { service, url: service.url, log, stop };
  }
}

/** Waits until a connection stands. */
export async function up(redis: SharedRedis): Promise<void> {
  if (redis.isUp()) return;
  await new Promise<void>((resolve) => {
    const end = redis.onChange((isUp) => {
      if (!isUp) return;
      end();
      resolve();
    });
  });
}

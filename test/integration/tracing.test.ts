import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { ObservedService } from '../support/observed-service.ts';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CLIENT_SPAN = '00f067aa0ba902b7';
const COLLECTOR_KEY = 'collector-key-of-the-tests-0123';
const SERVER = 2;
const CLIENT = 3;

let simulator: Simulator;
let receiver: OtlpReceiver;

beforeAll(async () => {
  simulator = await startSimulator({ authDelaySeconds: 0, resourcesLagSeconds: 0 });
  receiver = await OtlpReceiver.start();
});
afterAll(async () => {
  await receiver.close();
  await simulator.close();
});

const COLLECTED = { OTEL_EXPORTER_OTLP_HEADERS: `x-key=${COLLECTOR_KEY}` };

function traced(url: string): Promise<ObservedService> {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, ...COLLECTED };
  return ObservedService.start([simulator.cluster('production')], env);
}

const ofTrace = (id: string): ReceivedSpan[] => receiver.spans.filter(({ traceId }) => traceId === id);
const named = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.find((span) => span.name === name);
  if (found === undefined)
    throw new Error(`no span ${name} among: ${spans.map((span) => span.name).join(', ')}`);
  return found;
};

/** Another trace for each thing that is tried. */
const traceOf = (number: number): string => `${TRACE.slice(1)}${number}`;
const parentOf = (number: number, flags = '01') => ({
  traceparent: `00-${traceOf(number)}-${CLIENT_SPAN}-${flags}`,
});
const DOORS = ['http', 'modern', 'sse'] as const;
const [FAILED, META, LINKED, UNSAMPLED] = [4, 5, 6, 7];

describe('one tool call', () => {
  let site: ObservedService;

  beforeAll(async () => {
    const cluster = 'production';
    site = await traced(receiver.url);
    const node = simulator.cluster(cluster).state.nodes[0]?.name;
    for (const [number, door] of DOORS.entries()) {
      const client = await site.connect(door, parentOf(number));
      await client.callTool({
        name: 'proxmox_api_call',
        arguments: { cluster, path: `/nodes/${node}/qemu` },
      });
    }
    const failing = await site.connect('http', parentOf(FAILED), 'subject-canary');
    const path = '/nodes/node-canary/status';
    await failing.callTool({ name: 'proxmox_api_call', arguments: { cluster, path } });
    await failing.callTool({ name: 'find_guests', arguments: { text: 'argument-canary' } });
    const meta = await site.connect('http', parentOf(LINKED));
    await meta.callTool({ name: 'list_nodes', arguments: { cluster }, _meta: parentOf(META) });
    const unsampled = await site.connect('http', parentOf(UNSAMPLED, '00'));
    await unsampled.callTool({ name: 'list_nodes', arguments: { cluster } });
    await site.stop();
  });

  it.each([...DOORS.entries()])(
    'gives one trace from the client to Proxmox VE (door %i, %s)',
    (number, door) => {
      const spans = ofTrace(traceOf(number));
      const tool = named(spans, 'tools/call proxmox_api_call');
      const upstream = named(spans, 'GET /nodes/{node}/qemu');
      const entry = spans.find(({ spanId }) => spanId === tool.parentSpanId);
      expect(entry).toMatchObject({ name: door === 'sse' ? 'POST /messages' : 'POST /mcp', kind: SERVER });
      expect(entry?.parentSpanId).toBe(CLIENT_SPAN);
      expect(tool.attributes).toMatchObject({
        'gen_ai.tool.name': 'proxmox_api_call',
        'proxmox.cluster': 'production',
      });
      expect(named(spans, 'gate: judge').parentSpanId).toBe(tool.spanId);
      expect(upstream).toMatchObject({ kind: CLIENT, parentSpanId: tool.spanId });
      expect(upstream.attributes).toMatchObject({
        'url.template': '/nodes/{node}/qemu',
        'proxmox.cluster': 'production',
      });
      expect(Number(upstream.attributes['http.response.status_code'])).toBe(200);
    },
  );

  it('says what failed, and holds nothing of arguments, paths, subjects and secrets', () => {
    const tool = named(ofTrace(traceOf(FAILED)), 'tools/call proxmox_api_call');
    expect(tool.status?.code).toBe(2);
    expect(tool.attributes['error.type']).toMatch(/^[A-Z_]+$/);
    const { tokenSecret } = simulator.cluster('production');
    const sent = receiver.requests.map(({ body }) => body).join('\n');
    for (const word of ['canary', tokenSecret, COLLECTOR_KEY]) expect(sent).not.toContain(word);
    expect(receiver.requests.at(-1)).toMatchObject({
      path: '/v1/traces',
      headers: { 'x-key': COLLECTOR_KEY },
    });
    expect(receiver.resources.at(-1)).toMatchObject({ 'service.name': 'proxmox-mcp' });
  });

  it('of a client that sends its trace in _meta belongs to that one, and links the request', () => {
    const tool = named(ofTrace(traceOf(META)), 'tools/call list_nodes');
    expect(tool.parentSpanId).toBe(CLIENT_SPAN);
    expect(tool.links?.map(({ traceId }) => traceId)).toEqual([traceOf(LINKED)]);
  });

  it('is not sent where the client has it not sampled, and its log lines name it all the same', () => {
    expect(ofTrace(traceOf(UNSAMPLED))).toEqual([]);
    const lines = site.log.filter(
      ({ msg, trace_id }) => msg === 'tool call' && trace_id === traceOf(UNSAMPLED),
    );
    expect(lines).toMatchObject([{ tool: 'list_nodes' }]);
  });

  it('sends no trace context to Proxmox VE', () => {
    const arrived = simulator.cluster('production').requests;
    expect(arrived.length).toBeGreaterThan(3);
    expect(JSON.stringify(arrived)).not.toContain(TRACE.slice(1));
  });
});

it('a collector that is down costs no call, and one warning', async () => {
  const dead = await OtlpReceiver.start();
  const { url } = dead;
  await dead.close();
  const site = await traced(url);
  const client = await site.connect('http');
  for (let call = 0; call < 3; call++) {
    const answer = await client.callTool({ name: 'list_nodes', arguments: { cluster: 'production' } });
    expect(answer.isError).toBeFalsy();
  }
  await site.stop();
  expect(site.log.filter(({ msg }) => msg.startsWith('traces can not be sent')).length).toBeLessThanOrEqual(
    1,
  );
});

describe('the id of a request', () => {
  it('is in its answer, its log lines and its records; one that was sent is taken over', async () => {
    const site = await ObservedService.start([simulator.cluster('production')]);
    const client = await site.connect('http', { 'x-request-id': 'proxy-id-1' });
    await client.callTool({
      name: 'proxmox_api_call',
      arguments: { cluster: 'production', path: '/version' },
    });
    const given = await site.get('/healthz', { 'x-request-id': 'from:the.proxy-7' });
    const made = await site.get('/healthz');
    const odd = await site.get('/mcp', { 'x-request-id': 'two words' });
    await client.close();
    const record = readFileSync(join(site.folder, 'audit.jsonl'), 'utf8');
    await site.stop();
    expect(given.headers.get('x-request-id')).toBe('from:the.proxy-7');
    for (const { headers } of [made, odd]) expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(record).toContain('"request_id":"proxy-id-1"');
    const ended = site.log.filter(({ msg }) =>
      ['proxmox call begins', 'proxmox call ended', 'tool call'].includes(msg),
    );
    expect(ended.map(({ request_id }) => request_id)).toEqual(['proxy-id-1', 'proxy-id-1', 'proxy-id-1']);
  });
});

/** Starts the service in a process of its own, and prints which packages it has loaded. */
const STARTED = `
  import { createRequire } from 'node:module';
  const { loadConfig } = await import('./src/config/load.ts');
  const { startService } = await import('./src/cli/service.ts');
  const { createLogger } = await import('./src/observability/logging.ts');
  const config = loadConfig({ env: process.env, cwd: process.env.FOLDER });
  const service = await startService(config, createLogger(() => 'silent'));
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  await service.stop();
  console.log(JSON.stringify(['@opentelemetry', 'prom-client'].filter((name) => loaded.some((path) => path.includes(name)))));
`;

describe('what is switched off', () => {
  it.each([
    ['metrics that nobody has asked for yet', { MCP_METRICS: 'open' }, []],
    ['traces', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }, ['@opentelemetry']],
  ])('is not loaded: %s', async (_what, env, loaded) => {
    const site = await ObservedService.start([simulator.cluster('production')]);
    const variables = { ...basics(), FOLDER: site.folder, CLUSTER_VALIDATION: 'false', ...env };
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', STARTED], {
      cwd: resolve(import.meta.dirname, '../..'),
      env: variables,
      encoding: 'utf8',
    });
    await site.stop();
    expect(run.stderr).toBe('');
    expect(JSON.parse(run.stdout)).toEqual(loaded);
  });
});

function basics(): Record<string, string> {
  const { PATH = '' } = process.env;
  return { PATH, MCP_AUTH: 'none', MCP_PORT: '0', CACHE_DIR: 'cache' };
}

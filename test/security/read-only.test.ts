import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { policyWith } from '../support/gate.ts';
import {
  type ConnectOptions,
  DOORS,
  type GuardedClient,
  type GuardedOptions,
  GuardedService,
  TOOL_CALLS,
  WRITES,
} from '../support/guarded-service.ts';
import { policyOf } from '../support/policy.ts';

/** Everything is granted and nothing needs an approval, so that read-only alone stands in the way. */
const NO_APPROVAL = { change: 'none', secret: 'none', destroy: 'none', execute: 'none', bulk: 'none' };
const filePolicy = (top: object, principal: object = {}, role: object = {}) =>
  policyOf({
    roles: { all: { extends: 'admin', ...role } },
    principals: [{ match: { subject: '*' }, roles: 'all', ...principal }],
    approval: NO_APPROVAL,
    ...top,
  });

const NO: Record<string, string> = { 'x-mcp-readonly': 'false' };
/** Ways of read-only. Where the service says it, the header says that it is not so. */
const WAYS: Record<string, [GuardedOptions, ConnectOptions]> = {
  MCP_READ_ONLY: [{ readOnly: true }, { headers: NO }],
  'read_only of the cluster': [{ cluster: { readOnly: true } }, { headers: NO }],
  'read_only of the policy': [{ gateOptions: { policy: filePolicy({ read_only: true }) } }, { headers: NO }],
  'read_only of the principal': [
    { gateOptions: { policy: filePolicy({}, { read_only: true }) } },
    { headers: NO },
  ],
  'read_only of a role': [
    { gateOptions: { policy: filePolicy({}, {}, { read_only: true }) } },
    { headers: NO },
  ],
  ...Object.fromEntries(
    DOORS.map((door) => [`X-MCP-Readonly at ${door}`, [{}, { door, headers: { 'x-mcp-readonly': 'true' } }]]),
  ),
};

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
});
afterAll(() => simulator.close());

describe.each(Object.entries(WAYS))('%s', (_way, [options, connecting]) => {
  let guarded: GuardedService;
  let client: GuardedClient;

  beforeAll(async () => {
    guarded = await GuardedService.start(simulator, options);
    client = await guarded.connect(connecting);
  });
  afterAll(() => guarded.close());

  it.each(TOOLS.map(({ name }) => name).filter((name) => name !== 'proxmox_api_call'))(
    'no write leaves with %s',
    async (tool) => {
      const args = TOOL_CALLS[tool];
      expect(args, 'a new tool needs arguments here').toBeDefined();
      await client.call(tool, args);
      const writing = { ...args, method: 'DELETE', path: '/nodes/pve1/qemu/100', data: { purge: 1 } };
      await client.call(tool, writing);
      expect(guarded.writes()).toEqual([]);
    },
  );

  it.each(WRITES.map(([line, data]) => ({ line, data })))(
    'no write leaves with $line',
    async ({ line, data }) => {
      const { error } = await client.api(line, data);
      expect(error).toMatchObject({ code: 'POLICY_DENIED', message: expect.stringContaining('Only GET') });
      expect(guarded.writes()).toEqual([]);
    },
  );

  it('reads go on', async () => {
    guarded.mark();
    const { isError } = await client.api('GET /nodes/pve1/qemu/100/config');
    expect(isError).toBe(false);
    expect(guarded.requests()).toContain('GET /nodes/pve1/qemu/100/config');
  });

  it('no write leaves for a method in another place', async () => {
    const read = ['GET /nodes/pve1/qemu/100/config', { method: 'DELETE', _method: 'DELETE' }] as const;
    await client.api(...read);
    await client.api('get /nodes/pve1/qemu/100/config');
    await client.api('DELETE /api2/json/nodes/pve1/qemu/100');
    await client.api('DELETE /nodes/pve1/qemu/100', undefined, { handle: 'x', expect_name: 'web-01' });
    expect(guarded.writes()).toEqual([]);
  });
});

describe('the header', () => {
  const STOP = 'POST /nodes/pve1/qemu/100/status/start';

  it.each([
    ['true', true],
    ['1', true],
    ['yes', true],
    ['TRUE', true],
    ['', true],
    ['nonsense', true],
    ['false, true', true],
    ['false, false', true],
    ['"false"', true],
    ['false', false],
    ['False', false],
    ['0', false],
    ['no', false],
  ])('%j holds for its request alone, and tightens: %s', async (value, tightens) => {
    const guarded = await GuardedService.start(simulator, { gateOptions: { policy: policyWith('none') } });
    for (const door of DOORS) {
      const client = await guarded.connect({ door, headers: { 'x-mcp-readonly': value } });
      guarded.mark();
      const { error } = await client.api(STOP);
      expect(guarded.writes(), door).toHaveLength(tightens ? 0 : 1);
      if (tightens) expect(error?.code, door).toBe('POLICY_DENIED');
    }
    await guarded.close();
  });

  it('may be sent by a page in a browser', async () => {
    const origin = 'https://app.example';
    const guarded = await GuardedService.start(simulator, { http: { allowedOrigins: [origin] } });
    const preflight = await fetch(new URL('/mcp', guarded.url), {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-mcp-readonly',
      },
    });
    expect(preflight.headers.get('access-control-allow-headers')).toContain('x-mcp-readonly');
    await guarded.close();
  });

  it('without any, the same calls do write', async () => {
    const guarded = await GuardedService.start(simulator, {});
    const client = await guarded.connect();
    for (const [line, data] of WRITES.slice(0, 3)) await client.api(line, data);
    expect(guarded.writes()).toHaveLength(3);
    await guarded.close();
  });
});

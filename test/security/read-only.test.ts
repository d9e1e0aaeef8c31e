import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tool } from '../../src/tools/define.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { policyWith } from '../support/gate.ts';
import {
  type ConnectOptions,
  DOORS,
  type GuardedClient,
  type GuardedOptions,
  GuardedService,
  WRITES,
} from '../support/guarded-service.ts';
import { policyOf } from '../support/policy.ts';
import { preparedReplications } from '../support/prepared-replication.ts';
import { ToolEstate } from '../support/tool-estate.ts';
import { argumentsOf, NO_APPROVAL } from '../support/tool-site.ts';

/** Everything is granted and nothing needs an approval, so that read-only alone stands in the way. */
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

/** Of all ways: nothing is changed by any. */
let estate: ToolEstate;
beforeAll(async () => {
  estate = await ToolEstate.start();
}, 60_000);
afterAll(() => estate.close());

const start = (options: GuardedOptions = {}) =>
  GuardedService.start(estate.simulator, {
    configOf: (cluster) => estate.configOf(cluster),
    ...options,
    gateOptions: { schedules: preparedReplications(), ...options.gateOptions },
  });
const AT_ONCE = 8;
/** So many tools at a time, as each waits for the simulator most of its time. */
const BATCHES = Array.from({ length: Math.ceil(TOOLS.length / AT_ONCE) }, (_, index) =>
  TOOLS.slice(index * AT_ONCE, (index + 1) * AT_ONCE),
);

/** What fetches a file of a guest does with GET alone what is no reading: scopes and policy keep that. */
const sendsMoreThanGet = ({ annotations, calls }: Tool) =>
  !annotations.readOnlyHint && (calls.length === 0 || calls.some(([method]) => method !== 'GET'));

describe.each(Object.entries(WAYS))('%s', (_way, [options, connecting]) => {
  let guarded: GuardedService;
  let client: GuardedClient;

  beforeAll(async () => {
    guarded = await start(options);
    client = await guarded.connect(connecting);
  });
  afterAll(() => guarded.close());

  it('no write leaves with any tool, and those that read go on', async () => {
    for (const batch of BATCHES) {
      guarded.mark();
      const names = batch.map(({ name }) => name).join(', ');
      const answers = await Promise.all(
        batch.map(async (tool) => ({
          tool,
          answer: await client.call(tool.name, { ...argumentsOf(tool.name) }),
        })),
      );
      expect(guarded.writes(), names).toEqual([]);
      for (const { tool, answer } of answers) {
        const code = sendsMoreThanGet(tool) ? 'POLICY_DENIED' : undefined;
        expect(answer.error?.code, `${tool.name}: ${answer.error?.message}`).toBe(code);
      }
    }
  }, 60_000);

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
  let guarded: GuardedService;
  beforeAll(async () => {
    guarded = await start({ gateOptions: { policy: policyWith('none') } });
  });
  afterAll(() => guarded.close());

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
    for (const door of DOORS) {
      const client = await guarded.connect({ door, headers: { 'x-mcp-readonly': value } });
      guarded.mark();
      const { error } = await client.api(STOP);
      expect(guarded.writes(), door).toHaveLength(tightens ? 0 : 1);
      if (tightens) expect(error?.code, door).toBe('POLICY_DENIED');
      await client.close();
    }
  });

  it('may be sent by a page in a browser', async () => {
    const origin = 'https://app.example';
    const guarded = await start({ http: { allowedOrigins: [origin] } });
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
    const client = await guarded.connect();
    guarded.mark();
    for (const [line, data] of WRITES.slice(0, 3)) await client.api(line, data);
    expect(guarded.writes()).toHaveLength(3);
  });
});

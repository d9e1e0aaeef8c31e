import {
  InMemoryTransport,
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ApprovalKind } from '../../src/access/approvals/plan.ts';
import type { Policy } from '../../src/access/policy/policy.ts';
import type { AuditLog } from '../../src/audit/audit-log.ts';
import type { AuditBegin } from '../../src/audit/entry.ts';
import { ClusterManager } from '../../src/clusters/manager.ts';
import { createModernServer } from '../../src/mcp/modern.ts';
import { apiPath } from '../../src/proxmox/api-path.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { principal, type TestApprovals, testApprovals } from '../support/approvals.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { policyWith } from '../support/gate.ts';
import { policyOf } from '../support/policy.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

type Structured = Record<string, unknown>;
/** What the person at the client does. */
type Person = (message: string) => Promise<{ action: string; content?: Structured }>;
interface TestClient {
  destroy(more?: Structured): Promise<{ answer: Structured; isError: boolean }>;
  exec(data: Structured): Promise<unknown>;
  close(): Promise<void>;
}

const PATH = '/nodes/pve2/qemu/103';
const EXEC = '/nodes/pve1/qemu/100/agent/exec';
const APPROVER = principal('bob', ['proxmox:approve']);

let simulator: Simulator;
let clusters: ClusterManager;
let service: TestService;
let tested: TestApprovals;
let url: string;
let policy: Policy;
/** Decisions on plans, as they were recorded. */
const decided: AuditBegin[] = [];
const AUDIT: AuditLog = {
  begin: async (entry) => {
    if (entry.tool === 'approvals') decided.push(entry);
  },
  end: async () => undefined,
  task: async () => undefined,
  healthy: () => ({ ok: true }),
  head: () => ({ seq: 0, hash: '' }),
  close: async () => undefined,
};
let before = 0;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  clusters = new ClusterManager(
    { clusters: simulator.clusters.map((cluster) => configFor(cluster)) },
    { logger: pino({ level: 'silent' }) },
  );
});

afterEach(async () => {
  for (const client of open.splice(0)) await client.close().catch(() => undefined);
  await service.close();
});

afterAll(async () => {
  await clusters.close();
  await simulator.close();
});

async function start(kind: ApprovalKind = 'person', inForce = policyWith(kind)) {
  policy = inForce;
  await haveGuest();
  before = deletionsOf().length;
  tested = testApprovals();
  decided.length = 0;
  service = await buildService({
    estate: clusters,
    approvals: tested.approvals,
    gateOptions: { approvals: tested.approvals, policy, audit: AUDIT },
  });
  url = await service.listen();
}

/** The guest as it was before a test destroyed it. */
async function haveGuest(): Promise<void> {
  const { cluster } = clusters.select({ cluster: 'production' });
  const known = await cluster.inventory({ fresh: true });
  if (known.guests.some(({ vmid }) => vmid === 103)) return;
  const parameters = { vmid: 103, name: 'build-01' };
  await cluster.send({ method: 'POST', path: apiPath`/nodes/pve2/qemu`, parameters });
  await vi.waitFor(async () => {
    const { guests } = await cluster.inventory({ fresh: true });
    expect(guests.map(({ vmid }) => vmid)).toContain(103);
  });
}

function deletionsOf(): string[] {
  const { requests } = simulator.cluster('production');
  return requests
    .filter(({ method }) => method === 'DELETE')
    .map(({ path }) => path.replace('/api2/json', ''));
}

/** A policy as its file says it, in which nobody approves at their own client. */
function approvedElsewhere(): Policy {
  return policyOf({
    principals: [{ match: { subject: '*' }, roles: 'admin' }],
    approval: { change: 'none', destroy: 'person', at_client: false },
  });
}

/** As a reload of the policy's file does, to a service that runs. */
function approveElsewhereFromNowOn(): void {
  policy.decide = approvedElsewhere().decide.bind(approvedElsewhere());
}

/** What was deleted since the test began. */
function deletions(): string[] {
  return deletionsOf().slice(before);
}

const CALL = { name: 'proxmox_api_call', arguments: { cluster: 'production', method: 'DELETE', path: PATH } };

function wired(
  client: { callTool(call: typeof CALL, ...rest: never[]): Promise<unknown>; close(): Promise<void> },
  callTool: (call: typeof CALL) => Promise<unknown> = (call) => client.callTool(call),
): TestClient {
  open.push(client);
  return {
    destroy: async (data) => {
      const call = data === undefined ? CALL : { ...CALL, arguments: { ...CALL.arguments, data } };
      const result = (await callTool(call)) as { structuredContent: Structured; isError?: boolean };
      return { answer: result.structuredContent, isError: result.isError ?? false };
    },
    exec: (data) =>
      callTool({
        ...CALL,
        arguments: { ...CALL.arguments, method: 'POST', path: EXEC, data },
      } as typeof CALL),
    close: () => client.close(),
  };
}

type Connect = (person: Person | undefined) => Promise<TestClient>;

function legacyOver(transportTo: (init: object) => unknown): Connect {
  return async (person) => {
    const capabilities = person === undefined ? {} : { elicitation: {} };
    const client = new Client({ name: 'v1', version: '1' }, { capabilities });
    if (person)
      client.setRequestHandler(ElicitRequestSchema, ({ params }) => person(params.message) as never);
    const init = { requestInit: { headers: { authorization: `Bearer ${await tokenFor('alice')}` } } };
    await client.connect(transportTo(init) as Parameters<Client['connect']>[0]);
    await client.listTools();
    return wired(client as never);
  };
}

async function modernClient(person: Person | undefined, options: object, transport: unknown) {
  const capabilities = person === undefined ? {} : { elicitation: { form: {} } };
  const client = new ModernClient({ name: 'v2', version: '1' }, { capabilities, ...options });
  if (person) {
    client.setRequestHandler('elicitation/create', ({ params }) => person(params.message) as never);
  }
  await client.connect(transport as Parameters<ModernClient['connect']>[0]);
  await client.listTools();
  return wired(client as never);
}

const PINNED = { versionNegotiation: { mode: { pin: '2026-07-28' } } };

const CLIENTS: Record<string, Connect> = {
  'v1, Streamable HTTP': legacyOver((init) => new StreamableHTTPClientTransport(new URL('/mcp', url), init)),
  'v1, SSE': legacyOver((init) => new SSEClientTransport(new URL('/sse', url), init)),
  'v2, revision 2026-07-28': async (person) => {
    const init = { requestInit: { headers: { authorization: `Bearer ${await tokenFor('alice')}` } } };
    return modernClient(person, PINNED, new ModernTransport(new URL('/mcp', url), init));
  },
  'v2, legacy era as over stdio': async (person) => {
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const caller = { principal: principal('alice'), door: 'stdio' as const, directory: clusters };
    const server = createModernServer(service.dispatcher, caller);
    await server.connect(ours as Parameters<typeof server.connect>[0]);
    return modernClient(person, {}, theirs);
  },
};

const accepts = (decision: string) => async () => ({ action: 'accept', content: { decision } });

describe.each(Object.entries(CLIENTS))('%s', (_name, connect) => {
  it('shows the plan to the person, and carries it out after a yes', async () => {
    await start();
    const person = vi.fn(accepts('approve'));
    const client = await connect(person);
    const { answer, isError } = await client.destroy();
    expect(answer, JSON.stringify(answer)).toMatchObject({ cluster: 'production', method: 'DELETE' });
    expect(isError).toBe(false);
    expect(deletions()).toEqual([PATH]);
    expect(person).toHaveBeenCalledOnce();
    const message = String((person.mock.calls as unknown[][])[0]?.[0]);
    expect(message).toMatch(/^"build-01" \(VM 103\), stopped on node "pve2"/);
    expect(message).toContain(`DELETE ${PATH}`);
    expect(decided).toMatchObject([
      {
        subject: 'alice',
        cluster: 'production',
        method: 'DELETE',
        path: PATH,
        write: false,
        decision: 'approved',
        rule: 'elicitation',
        approval: 'plan 1 by the person at the client',
        parameters: { plan: 1, kind: 'person', tool: 'proxmox_api_call', asked_by: 'alice' },
      },
    ]);
  });

  it('shows the person what is executed, with the secrets out', async () => {
    await start();
    const person = vi.fn(async () => ({ action: 'decline' }));
    const client = await connect(person);
    const script = '#!/bin/sh\nset -e\nmysql --password hunter2hunter2\nrm -rf /srv';
    await client.exec({ command: ['sh'], 'input-data': script });
    const message = String((person.mock.calls as unknown[][])[0]?.[0]);
    const shown = [
      '    | #!/bin/sh',
      '    | set -e',
      '    | mysql --password [redacted]',
      '    | rm -rf /srv',
    ];
    expect(message).toContain(
      `command=["sh"] input-data=<text 1>\n    text 1, 4 lines:\n${shown.join('\n')}\n`,
    );
    expect(JSON.stringify(decided)).not.toContain('rm -rf');
    expect(tested.lines.join('')).not.toMatch(/rm -rf|hunter2/);
  });

  it('sends nothing where the person says no in whatever way, and does not ask again', async () => {
    await start();
    const noes: [Structured, Person][] = [
      [{}, async () => ({ action: 'decline' })],
      [{ purge: true }, accepts('decline')],
      [{ purge: false }, async () => ({ action: 'accept', content: {} })],
      [{ 'destroy-unreferenced-disks': true }, accepts('yes')],
    ];
    let person: Person = accepts('approve');
    const client = await connect((message) => person(message));
    for (const [data, no] of noes) {
      person = no;
      expect((await client.destroy(data)).answer).toMatchObject({ error: { code: 'POLICY_DENIED' } });
    }
    person = vi.fn(accepts('approve'));
    for (const [data] of noes)
      expect((await client.destroy(data)).answer).toMatchObject({ error: { code: 'POLICY_DENIED' } });
    expect(person).not.toHaveBeenCalled();
    expect(deletions()).toEqual([]);
    // Each was decided once; that it was repeated in vain is no decision.
    expect(decided.map(({ decision, approval }) => `${decision} ${approval}`)).toEqual([
      'denied plan 1 by the person at the client',
    ]);
  });

  it('sends nothing where the person cancels, or can not be reached', async () => {
    await start();
    let person: Person = async () => ({ action: 'cancel' });
    const client = await connect((message) => person(message));
    expect((await client.destroy()).answer).toMatchObject({ error: { code: 'APPROVAL_REQUIRED' } });
    person = async () => {
      throw new Error('no window');
    };
    await client.destroy().catch(() => undefined);
    expect(deletions()).toEqual([]);
    expect(await tested.approvals.waiting(APPROVER)).toMatchObject([{ number: 1, state: 'pending' }]);
  });

  it('without elicitation names the number, and goes through once a person has approved it', async () => {
    await start();
    const client = await connect(undefined);
    const { answer } = await client.destroy();
    expect(answer).toMatchObject({
      error: { code: 'APPROVAL_REQUIRED', plan: { number: 1, approval: 'person' } },
    });
    expect(JSON.stringify(answer)).toContain('proxmox-mcp approvals approve 1');
    expect((await client.destroy()).answer).toMatchObject({ error: { plan: { number: 1 } } });
    await tested.approvals.decide(1, APPROVER, 'approved');
    const other = await client.destroy({ purge: true });
    expect(other.answer).toMatchObject({ error: { plan: { number: 2 } } });
    expect(deletions()).toEqual([]);
    expect((await client.destroy()).isError).toBe(false);
    expect(deletions()).toEqual([PATH]);
  });

  it('asks anew where the guest changes while the person thinks', async () => {
    await start();
    let asked = 0;
    const client = await connect(async () => {
      asked += 1;
      if (asked === 1) await changeGuest();
      return { action: 'accept', content: { decision: 'approve' } };
    });
    const { isError } = await client.destroy();
    expect(asked).toBe(2);
    expect(isError).toBe(false);
    expect(deletions()).toEqual([PATH]);
  });

  it('asks nobody at the client where the policy has it approved elsewhere', async () => {
    await start('person', approvedElsewhere());
    const person = vi.fn(accepts('approve'));
    const client = await connect(person);
    const { answer } = await client.destroy();
    expect(answer).toMatchObject({
      error: { code: 'APPROVAL_REQUIRED', plan: { number: 1, approval: 'person' } },
    });
    expect(JSON.stringify(answer)).toContain('proxmox-mcp approvals approve 1');
    expect(person).not.toHaveBeenCalled();
    expect(deletions()).toEqual([]);
    await tested.approvals.decide(1, APPROVER, 'approved');
    expect((await client.destroy()).isError).toBe(false);
    expect(deletions()).toEqual([PATH]);
    expect(person).not.toHaveBeenCalled();
  });

  it('does not take a yes for which the policy changed while the person thought', async () => {
    await start();
    const client = await connect(async () => {
      approveElsewhereFromNowOn();
      return { action: 'accept', content: { decision: 'approve' } };
    });
    const { answer } = await client.destroy();
    expect(answer).toMatchObject({ error: { code: 'APPROVAL_REQUIRED', plan: { number: 1 } } });
    expect(deletions()).toEqual([]);
    expect(await tested.approvals.waiting(APPROVER)).toMatchObject([{ number: 1, state: 'pending' }]);
  });

  it('does not take the word of the own client for a second', async () => {
    await start('second');
    const person = vi.fn(accepts('approve'));
    const client = await connect(person);
    expect((await client.destroy()).answer).toMatchObject({ error: { code: 'APPROVAL_REQUIRED' } });
    expect(person).not.toHaveBeenCalled();
    expect(deletions()).toEqual([]);
  });
});

async function changeGuest(): Promise<void> {
  const cluster = clusters.select({ cluster: 'production' }).cluster;
  const path = apiPath`/nodes/pve2/qemu/103/config`;
  await cluster.send({ method: 'PUT', path, parameters: { cores: 3 } });
}

describe('a client that goes away while the person thinks', () => {
  it('leaves the plan waiting, and nothing is sent', async () => {
    await start();
    const asked = Promise.withResolvers<void>();
    const client = await CLIENTS['v1, Streamable HTTP']?.(async () => {
      asked.resolve();
      return new Promise(() => undefined);
    });
    const call = client?.destroy().catch(() => 'ended');
    await asked.promise;
    await client?.close();
    expect(await call).toBe('ended');
    expect(deletions()).toEqual([]);
    expect(await tested.approvals.waiting(APPROVER)).toHaveLength(1);
  });
});

describe('answers of revision 2026-07-28 that nobody gave', () => {
  let id = 0;

  async function post(more: Structured, subject = 'alice', args: Structured = CALL.arguments) {
    id += 1;
    const response = await fetch(new URL('/mcp', url), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await tokenFor(subject)}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': CALL.name,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: {
          name: CALL.name,
          arguments: args,
          _meta: {
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
          },
          ...more,
        },
      }),
    });
    const text = await response.text();
    const data = /^data: (.*)$/m.exec(text)?.[1] ?? text;
    return JSON.parse(data) as { result?: Structured; error?: Structured };
  }

  const YES = { approval: { action: 'accept', content: { decision: 'approve' } } };

  it('count for nothing without the state, with a forged one, or with that of another', async () => {
    await start();
    const first = await post({});
    expect(first.result).toMatchObject({ resultType: 'input_required', requestState: expect.any(String) });
    const state = String(first.result?.requestState);
    expect((await post({ inputResponses: YES })).result).toMatchObject({ resultType: 'input_required' });
    const forged = Buffer.from(JSON.stringify({ p: { plan: 1 }, exp: 2e9 })).toString('base64url');
    for (const requestState of ['1', '{"plan":1}', `v1.${forged}.${'A'.repeat(43)}`, `${state}A`, '']) {
      const { result } = await post({ inputResponses: YES, requestState });
      expect(result?.resultType ?? 'refused').not.toBe('complete');
    }
    // The state of alice in the hands of another, and for other calls.
    expect((await post({ inputResponses: YES, requestState: state }, 'mallory')).error).toMatchObject({
      code: -32602,
    });
    const purge = { ...CALL.arguments, data: { purge: true } };
    const other = await post({ inputResponses: YES, requestState: state }, 'alice', purge);
    expect(other.result).toMatchObject({ resultType: 'input_required' });
    expect(deletions()).toEqual([]);
    // And the true answer still works, once.
    expect((await post({ inputResponses: YES, requestState: state })).result?.isError).toBeFalsy();
    expect(deletions()).toEqual([PATH]);
    await post({ inputResponses: YES, requestState: state });
    expect(deletions()).toEqual([PATH]);
  });

  it('count for nothing once the policy has plans approved elsewhere', async () => {
    await start();
    const requestState = String((await post({})).result?.requestState);
    approveElsewhereFromNowOn();
    for (const response of [YES, YES, { approval: { action: 'decline' } }]) {
      const { result } = await post({ inputResponses: response, requestState });
      expect(result).toMatchObject({
        resultType: 'complete',
        structuredContent: { error: { code: 'APPROVAL_REQUIRED', plan: { number: 1 } } },
      });
    }
    expect(deletions()).toEqual([]);
    expect(await tested.approvals.waiting(APPROVER)).toMatchObject([{ number: 1, state: 'pending' }]);
  });

  it('count for nothing after the plan was declined', async () => {
    await start();
    const requestState = String((await post({})).result?.requestState);
    await post({ inputResponses: { approval: { action: 'decline' } }, requestState });
    const again = await post({ inputResponses: YES, requestState });
    expect(again.result).toMatchObject({ structuredContent: { error: { code: 'POLICY_DENIED' } } });
    expect(deletions()).toEqual([]);
  });
});

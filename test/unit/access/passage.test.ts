import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { ApprovalRequest, Approvals } from '../../../src/access/approvals/approvals.ts';
import { ApprovalRequiredError, type Plan } from '../../../src/access/approvals/plan.ts';
import type { CallOrigin, GateRequest } from '../../../src/access/gate.ts';
import type { AuditLog } from '../../../src/audit/audit-log.ts';
import type { GuestRow } from '../../../src/clusters/inventory.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { principal } from '../../support/approvals.ts';
import { gateFor, policyWith, type TestGate } from '../../support/gate.ts';
import { policyOf } from '../../support/policy.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const UPID = 'UPID:pve1:0000ABCD:00112233:66112233:qmstart:100:root@pam:';
const VM = '/nodes/pve1/qemu/100';
const ROWS = [{ id: 'qemu/100', type: 'qemu', vmid: 100, node: 'pve1', name: 'web-1', status: 'running' }];

/** A gate over one cluster; `audit` and `lines` are what was recorded and logged. */
function opened(gate: TestGate = {}, of: Partial<CallOrigin> = {}) {
  const cluster = new RecordingCluster('a');
  cluster.reply = ({ path }) => (path.toString() === '/cluster/resources' ? ROWS : null);
  const audit: [string, Record<string, unknown>][] = [];
  const lines: Record<string, unknown>[] = [];
  const entered: string[] = [];
  let now = 1000;
  const log: AuditLog = {
    begin: async (entry) => void audit.push(['begin', { ...entry }]),
    end: async (entry) => void audit.push(['end', { ...entry }]),
    task: async (entry) => void audit.push(['task', { ...entry }]),
    healthy: () => ({ ok: true }),
    head: () => ({ seq: 0, hash: '' }),
    close: async () => undefined,
  };
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const origin: CallOrigin = {
    principal: principal('alice', ['proxmox:admin'], { client: 'agent' }),
    requestId: 'r1',
    session: 's1',
    tool: 't',
    door: 'http',
    signal: new AbortController().signal,
    enter: (name) => void entered.push(name),
    ...of,
  };
  const theGate = gateFor(logger, { audit: log, clock: () => (now += 5), ...gate });
  const selection = { cluster, selectedBy: 'pattern', matched: 'a*' } as const;
  const gated = theGate.open(selection, origin);
  const send = (
    line: string,
    { planHandle, ...more }: Partial<GateRequest> & { planHandle?: string | undefined } = {},
  ) => {
    const [method, path = ''] = line.split(' ') as [HttpMethod, string];
    const by = planHandle === undefined ? gated : theGate.open(selection, { ...origin, planHandle });
    return by.request({ method, path: parseApiPath(path), ...more });
  };
  return { cluster, audit, lines, entered, gated, send };
}

describe('the record of a call', () => {
  it('says who did what where and why, before it leaves, and how it went', async () => {
    const { cluster, audit, lines, entered, send } = opened();
    const sent: string[] = [];
    cluster.reply = () => {
      sent.push(...audit.map(([kind]) => kind));
      return UPID;
    };
    await send(`POST ${VM}/status/start`, { data: { timeout: 30 } });
    expect(sent).toEqual(['begin']);
    expect(entered).toEqual(['a']);
    const id = audit[0]?.[1].id;
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(audit).toEqual([
      [
        'begin',
        {
          id,
          requestId: 'r1',
          write: true,
          subject: 'alice',
          client: 'agent',
          credential: 'jwt:alice',
          session: 's1',
          door: 'http',
          tool: 't',
          cluster: 'a',
          selectedBy: 'pattern',
          matched: 'a*',
          method: 'POST',
          path: `${VM}/status/start`,
          parameters: { timeout: 30 },
          risks: ['change'],
          decision: 'allowed',
          rule: 'scopes of the token',
        },
      ],
      ['end', { id, outcome: 'ok', durationMs: 5, endpoint: 'pve.example:8006', upid: UPID }],
    ]);
    const about = {
      request_id: 'r1',
      subject: 'alice',
      door: 'http',
      tool: 't',
      cluster: 'a',
      method: 'POST',
    };
    expect(lines).toMatchObject([
      { ...about, msg: 'proxmox call begins', risks: ['change'], parameters: ['timeout'] },
      { ...about, msg: 'proxmox call ended', outcome: 'ok', endpoint: 'pve.example:8006', duration_ms: 5 },
    ]);
  });

  it('has no more than there is', async () => {
    const { cluster, audit, send } = opened({}, { principal: principal('bob'), session: undefined as never });
    cluster.reply = () => 'no task';
    await send('GET /version');
    expect(Object.keys(audit[0]?.[1] ?? {})).not.toContain('client');
    expect(Object.keys(audit[0]?.[1] ?? {})).not.toContain('session');
    expect(audit[0]?.[1]).toMatchObject({ write: false, risks: ['read'] });
    expect(audit[1]?.[1]).not.toHaveProperty('upid');
  });

  it('logs a read in one line, which says all that the two of a write do', async () => {
    const { cluster, lines, send } = opened();
    cluster.reply = () => 'fine';
    await send('GET /version');
    expect(lines.filter(({ level }) => Number(level) >= 30)).toMatchObject([
      {
        msg: 'proxmox call ended',
        cluster: 'a',
        method: 'GET',
        path: '/version',
        risks: ['read'],
        parameters: [],
        outcome: 'ok',
        endpoint: 'pve.example:8006',
        duration_ms: 5,
      },
    ]);
  });

  it('says how a task ended that was started here, once', async () => {
    const { cluster, audit, send } = opened();
    cluster.reply = () => UPID;
    await send(`POST ${VM}/status/start`);
    const id = audit[0]?.[1].id;
    const status = `GET /nodes/pve1/tasks/${UPID}/status`;
    const tasks = () => audit.filter(([kind]) => kind === 'task').map(([, entry]) => entry);
    cluster.reply = () => ({ status: 'running' });
    await send(status);
    cluster.reply = () => ({ status: 'stopped', exitstatus: 'OK' });
    await send(`GET /nodes/pve1/tasks/${UPID}/log`);
    expect(tasks()).toEqual([]);
    await send(status);
    await send(status);
    expect(tasks()).toEqual([{ id, upid: UPID, taskStatus: 'OK' }]);
    await send(`GET /nodes/pve1/tasks/${UPID.replace('100', '200')}/status`);
    expect(tasks()).toHaveLength(1);
  });

  it('says that a task ended in no way that is known', async () => {
    const { cluster, audit, send } = opened();
    cluster.reply = () => UPID;
    await send(`POST ${VM}/status/start`);
    cluster.reply = () => ({ status: 'stopped' });
    await send(`GET /nodes/pve1/tasks/${UPID}/status`);
    expect(audit.at(-1)).toMatchObject(['task', { taskStatus: 'unexpected status' }]);
  });

  it('says how it failed, and that what failed may have changed something', async () => {
    const { cluster, audit, lines, send } = opened();
    let changes = 0;
    cluster.changed = () => {
      changes += 1;
    };
    cluster.reply = () => {
      throw new CallError('UPSTREAM_ERROR', 'no', { hint: 'x', status: 500 });
    };
    await expect(send('GET /version')).rejects.toThrow('no');
    expect(changes).toBe(0);
    await expect(send(`POST ${VM}/status/start`)).rejects.toThrow('no');
    expect(changes).toBe(1);
    expect(audit.at(-1)?.[1]).toMatchObject({ outcome: 'UPSTREAM_ERROR', status: 500, durationMs: 5 });
    expect(lines.at(-1)).toMatchObject({
      msg: 'proxmox call ended',
      outcome: 'UPSTREAM_ERROR',
      duration_ms: 5,
    });
    cluster.reply = () => {
      throw new CallError('TASK_FAILED', 'no', { hint: 'x' });
    };
    await expect(send('GET /version')).rejects.toThrow('no');
    expect(audit.at(-1)?.[1]).not.toHaveProperty('status');
  });

  it('says that the caller went away', async () => {
    const controller = new AbortController();
    const { cluster, audit, send } = opened({}, { signal: controller.signal });
    cluster.reply = () => {
      controller.abort();
      throw new CallError('UPSTREAM_ERROR', 'no', { hint: 'x' });
    };
    await expect(send('GET /version')).rejects.toThrow('no');
    expect(audit.at(-1)?.[1]).toMatchObject({ outcome: 'cancelled' });
  });

  it('stops what it can not take', async () => {
    const audit = {
      begin: () => Promise.reject(new Error('disk')),
      end: async () => undefined,
    } as unknown as AuditLog;
    const { cluster, send } = opened({ audit });
    await expect(send('GET /version')).rejects.toMatchObject({
      code: 'INTERNAL',
      message: 'The call could not be recorded, so nothing was sent.',
      hint: 'The operator has to look at the audit file: is it in its place, and its disk not full? The log says more.',
      retryable: true,
    });
    expect(cluster.calls).toEqual([]);
  });

  it('is of what policy stopped, too, whether it takes that or not', async () => {
    const { audit, lines, entered, send } = opened({}, { principal: principal('bob', ['proxmox:read']) });
    await expect(send(`DELETE ${VM}`)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    const id = audit[0]?.[1].id;
    expect(audit).toMatchObject([
      ['begin', { id, write: false, decision: 'denied', rule: 'scopes of the token', method: 'DELETE' }],
      ['end', { id, outcome: 'POLICY_DENIED', durationMs: 0 }],
    ]);
    expect(lines).toMatchObject([
      { msg: 'proxmox call refused', outcome: 'POLICY_DENIED', cluster: 'a', method: 'DELETE', path: VM },
    ]);
    expect(entered).toEqual([]);
    const broken = { begin: () => Promise.reject(new Error('disk')), end: async () => undefined };
    const other = opened({ audit: broken as unknown as AuditLog }, { principal: principal('bob', []) });
    await expect(other.send(`DELETE ${VM}`)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
  });

  it('holds what the service has read itself, as the read that it stands for', async () => {
    const { audit, gated, lines } = opened();
    await gated.permissions();
    await gated.inventory();
    expect(audit).toMatchObject([
      [
        'begin',
        { method: 'GET', path: '/access/permissions', risks: ['read'], parameters: {}, write: false },
      ],
      ['end', { outcome: 'ok' }],
      ['begin', { path: '/cluster/resources', selectedBy: 'pattern', matched: 'a*' }],
      ['end', { outcome: 'ok' }],
    ]);
    expect(lines).toEqual([]);
  });
});

describe('the name that a caller expects', () => {
  it.each<[string, string, string | undefined]>([
    [`GET ${VM}/config`, 'web-1', undefined],
    [`GET ${VM}/config`, 'WEB-1', undefined],
    [`GET ${VM}/config`, 'db-1', '"db-1" was expected, but 100 is "web-1"; nothing was sent.'],
    ['GET /nodes/pve1/qemu/200/config', 'x', '"x" was expected, but 200 is no guest; nothing was sent.'],
    ['GET /nodes', 'x', '"x" was expected, but the call is about no guest; nothing was sent.'],
  ])('%s, %s: %s', async (line, expectName, message) => {
    const { cluster, audit, send } = opened();
    const outcome = await send(line, { expectName }).then(
      () => undefined,
      (error: CallError) => error,
    );
    expect(outcome?.message).toBe(message);
    const sent = cluster.calls.filter(({ path }) => path.toString() !== '/cluster/resources');
    expect(sent).toHaveLength(message === undefined ? 1 : 0);
    if (message === undefined) return;
    expect(outcome).toMatchObject({
      code: 'CONFLICT',
      cluster: 'a',
      hint: 'Find the guest anew with resolve_guest: VMIDs are reused.',
      retryable: false,
    });
    expect(audit).toMatchObject([
      ['begin', { decision: 'denied' }],
      ['end', { outcome: 'CONFLICT' }],
    ]);
  });

  it('can not be compared where the list can not be read', async () => {
    const { cluster, send } = opened();
    cluster.inventoryReply = () => {
      throw new Error('down');
    };
    await expect(send(`GET ${VM}/config`, { expectName: 'x' })).rejects.toThrow(
      '"x" was expected, but the name of 100 could not be read; nothing was sent.',
    );
  });
});

describe('a call that takes an approval', () => {
  const SELF = { policy: policyWith('self') };

  /** The plan that a call becomes. */
  async function planned(work: Promise<unknown>) {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error instanceof ApprovalRequiredError) return error.plan;
    throw error ?? new Error('it was let through');
  }

  it('is about the guest as it is now, for which the list of guests is asked once', async () => {
    const { cluster, send } = opened(SELF);
    const asked: (boolean | undefined)[] = [];
    const guest = { type: 'qemu', node: 'pve1', status: 'running', template: false, tags: [] } as const;
    let guests: GuestRow[] = [{ ...guest, id: 'qemu/100', vmid: 100, name: 'web-1' }];
    cluster.inventoryReply = ({ fresh }) => {
      asked.push(fresh);
      return { guests };
    };
    const call = () => send(`PUT ${VM}/config`, { data: { cores: 2 } });
    await planned(call());
    expect(asked.filter((fresh) => fresh)).toEqual([true]);
    guests = [{ ...guest, id: 'qemu/200', vmid: 200 }];
    await expect(call()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is shown with secrets out, refused on record, and let through with its handle', async () => {
    const { cluster, audit, entered, send } = opened(SELF);
    const data = { cipassword: 'canary-1', cores: 2 };
    const plan = await planned(send(`PUT ${VM}/config`, { data }));
    expect(plan.calls).toEqual([
      { method: 'PUT', path: `${VM}/config`, parameters: { cipassword: '[redacted]', cores: 2 } },
    ]);
    expect(plan).toMatchObject({ approval: 'self', guests: [{ vmid: 100, name: 'web-1' }] });
    expect(cluster.calls.every(({ method }) => method === 'GET')).toBe(true);
    expect(audit).toMatchObject([
      ['begin', { decision: 'awaits approval', write: false }],
      ['end', { outcome: 'APPROVAL_REQUIRED' }],
    ]);
    expect(entered).toEqual(['a']);
    await send(`PUT ${VM}/config`, { data, planHandle: plan.handle });
    expect(cluster.calls.at(-1)).toMatchObject({ method: 'PUT', parameters: { cores: '2' } });
    expect(audit.at(-2)).toMatchObject(['begin', { approval: 'plan 1 by self', decision: 'allowed' }]);
  });

  it('is let through as it was planned, and no other', async () => {
    const { cluster, send } = opened(SELF);
    const { handle } = await planned(send(`PUT ${VM}/config`, { data: { cores: 2 } }));
    const others: [string, object][] = [
      [`PUT ${VM}/config`, { cores: 3 }],
      [`PUT ${VM}/config`, { cores: 2, memory: 512 }],
      [`POST ${VM}/config`, { cores: 2 }],
      ['PUT /nodes/localhost/qemu/100/config', { cores: 2 }],
    ];
    for (const [line, data] of others) {
      const plan = await planned(send(line, { data: { ...data }, planHandle: handle }));
      expect(plan.number).toBeGreaterThan(1);
    }
    expect(cluster.calls.every(({ method }) => method === 'GET')).toBe(true);
    await send(`PUT ${VM}/config`, { data: { cores: 2 }, planHandle: handle });
    expect(cluster.calls.at(-1)?.method).toBe('PUT');
  });

  it.each<[string, unknown, unknown]>([
    ['its configuration is another', { a: 1 }, { a: 2 }],
    ['it is gone', { a: 1 }, new CallError('NOT_FOUND', 'gone', { hint: 'x' })],
  ])('is another one once %s', async (_what, before, after) => {
    const { cluster, send } = opened(SELF);
    let config = before;
    cluster.reply = ({ path }) => {
      if (path.toString() === '/cluster/resources') return ROWS;
      if (config instanceof Error && path.toString() === `${VM}/config`) throw config;
      return path.toString() === `${VM}/config` ? config : null;
    };
    const { handle } = await planned(send(`POST ${VM}/status/start`));
    config = after;
    const again = await planned(send(`POST ${VM}/status/start`, { planHandle: handle }));
    expect(again.number).toBe(2);
    config = before;
    await send(`POST ${VM}/status/start`, { planHandle: handle });
  });

  it('is refused where nobody can tell what the guest is now', async () => {
    const { cluster, send } = opened(SELF);
    cluster.reply = ({ path }) => {
      if (path.toString() === '/cluster/resources') return ROWS;
      throw new CallError('PERMISSION_DENIED', 'not yours', { hint: 'x' });
    };
    await expect(send(`POST ${VM}/status/start`)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  it('is of a tenant: its plan tells of no others', async () => {
    const policy = policyOf({
      roles: { own: { grants: [{ allow: 'read' }, { allow: 'change', approval: 'self' }] } },
      principals: [{ match: { subject: '*' }, roles: 'own', tenant: { pools: 'web' } }],
    });
    const { cluster, send } = opened({ policy });
    const rows = [
      { ...ROWS[0], pool: 'web' },
      { id: 'qemu/200', type: 'qemu', vmid: 200, node: 'pve1', name: 'db-1', status: 'running' },
    ];
    const jobs = [
      { id: 'foreign', vmid: '100,200' },
      { id: 'own', vmid: '100' },
    ];
    cluster.reply = ({ path }) => {
      if (path.toString() === '/cluster/resources') return rows;
      return path.toString() === '/cluster/backup' ? jobs : null;
    };
    const { dependents, warnings } = await planned(send(`POST ${VM}/status/start`));
    expect(dependents).toEqual([expect.stringMatching(/^the backup job "own" names .*100/)]);
    expect(warnings).toContain(
      'Who asks is bound to their own guests: whether those of others depend on it was not looked at.',
    );
    const { data } = await send('GET /cluster/resources');
    expect(data).toMatchObject([{ vmid: 100 }]);
    await expect(send('GET /nodes/pve1/qemu/200/config')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a call behind a snapshot', () => {
  const CONFIG = `PUT ${VM}/config`;
  const behind = { data: { cores: 2 }, snapshotFirst: 'one' };

  /** A site whose snapshots end well; `sent` are its writes, in order. */
  function site(gate: TestGate = {}, of: Partial<CallOrigin> = {}) {
    const tested = opened(gate, of);
    const sent: string[] = [];
    tested.cluster.reply = ({ method, path }) => {
      const asked = path.toString();
      if (asked === '/cluster/resources') return ROWS;
      if (asked.includes('/tasks/')) return { status: 'stopped', exitstatus: 'OK' };
      if (method !== 'GET') sent.push(`${method} ${asked}`);
      return asked.endsWith('/snapshot') ? UPID : null;
    };
    return { ...tested, sent };
  }

  it('leaves once that is there, and both are recorded', async () => {
    const { audit, entered, send, sent } = site();
    await send(CONFIG, behind);
    expect(sent).toEqual([`POST ${VM}/snapshot`, CONFIG]);
    const begun = audit.filter(([kind]) => kind === 'begin').map(([, { path, write }]) => [path, write]);
    expect(begun).toEqual([
      [`${VM}/snapshot`, true],
      [`${VM}/config`, true],
    ]);
    expect(entered).toEqual(['a']);
  });

  it('is judged again then, and neither leaves where one of both is not allowed', async () => {
    let allowed = ['snapshot', 'config'];
    const policy = policyWith('none');
    const decide = policy.decide.bind(policy);
    policy.decide = (asked) =>
      asked.method === 'GET' || allowed.some((end) => asked.path.endsWith(end))
        ? decide(asked)
        : Object.defineProperty(decide(asked), 'allowed', { value: false });
    const { cluster, send, sent } = site({ policy });
    for (const end of ['snapshot', 'config']) {
      allowed = [end];
      await expect(send(CONFIG, behind)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
      expect(sent).toEqual([]);
    }
    allowed = ['snapshot', 'config'];
    cluster.changed = () => {
      allowed = [];
    };
    await expect(send(CONFIG, behind)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    expect(sent).toEqual([`POST ${VM}/snapshot`]);
  });

  it('takes one approval with it, alone or among others', async () => {
    const { gated, send, sent } = site({ policy: policyWith('self') });
    const planOf = (error: unknown) => {
      if (error instanceof ApprovalRequiredError) return error.plan;
      throw error;
    };
    const plan = await send(CONFIG, behind).then(() => undefined, planOf);
    expect(plan?.calls.map(({ path }) => path)).toEqual([`${VM}/snapshot`, `${VM}/config`]);
    expect(sent).toEqual([]);
    expect(plan?.undo).toContain('Or roll back to the snapshot that is taken before it.');
    const alone = await send(CONFIG, { data: behind.data }).then(() => undefined, planOf);
    expect(alone?.undo).toContain('To be able to go back, take a snapshot with create_snapshot first.');
    await send(CONFIG, { ...behind, planHandle: plan?.handle });
    expect(sent).toHaveLength(2);
    const request = { method: 'PUT', path: parseApiPath(`${VM}/config`), ...behind } as const;
    const together = await gated.approve([request]).then(() => undefined, planOf);
    expect(together?.calls).toEqual(plan?.calls);
  });
});

describe('what is about no guest', () => {
  it('takes its approval without a look at guests', async () => {
    const { cluster, send } = opened({ policy: policyWith('self') });
    let asked = 0;
    cluster.inventoryReply = () => {
      asked += 1;
      return {};
    };
    const options = send('PUT /cluster/options', { data: { keyboard: 'de' } });
    await expect(options).rejects.toMatchObject({ code: 'APPROVAL_REQUIRED', plan: { guests: [] } });
    expect(asked).toBe(0);
  });
});

describe('the endpoint of another cluster', () => {
  it.each(['none', 'self'] as const)('is taken from no caller, alone or among others: %s', async (kind) => {
    const { cluster, gated, send } = opened({ policy: policyWith(kind) });
    const data = { 'target-endpoint': 'host=x' };
    const request = { method: 'POST', path: parseApiPath(`${VM}/remote_migrate`), data } as const;
    await expect(send(`POST ${VM}/remote_migrate`, { data })).rejects.toThrow('is not taken from a caller');
    await expect(gated.approve([request])).rejects.toThrow('is not taken from a caller');
    expect(cluster.calls).toEqual([]);
  });
});

it('says what approval calls would take, and asks for none', async () => {
  const { cluster, gated, audit } = opened({ policy: policyWith('person') });
  const kindOf = (method: HttpMethod) =>
    gated.approvalFor([{ method, path: parseApiPath('/cluster/options') }]);
  expect([await kindOf('PUT'), await kindOf('GET'), await gated.approvalFor([])]).toEqual([
    'person',
    'none',
    'none',
  ]);
  expect([cluster.calls, audit]).toEqual([[], []]);
});

it('records how the service’s own reads failed, and that the caller went away', async () => {
  const controller = new AbortController();
  const { cluster, gated, audit } = opened({}, { signal: controller.signal });
  const failed = async () => {
    await expect(gated.inventory()).rejects.toThrow('no');
    return audit.splice(0).at(-1);
  };
  cluster.inventoryReply = () => {
    throw new CallError('UPSTREAM_ERROR', 'no', { hint: 'x', status: 500 });
  };
  expect(await failed()).toMatchObject(['end', { outcome: 'UPSTREAM_ERROR', status: 500 }]);
  controller.abort();
  expect(await failed()).toMatchObject(['end', { outcome: 'cancelled' }]);
});

it('records what a person at the client decided as theirs', async () => {
  const requests: ApprovalRequest[] = [];
  const approvals = {
    require: async (request: ApprovalRequest) => {
      requests.push(request);
      return { number: 1, by: 'x' };
    },
  } as unknown as Approvals;
  const { audit, send } = opened({ policy: policyWith('person'), approvals });
  await send('PUT /cluster/options', { data: { keyboard: 'de' } });
  audit.splice(0);
  await requests[0]?.onDecision?.({ number: 1, calls: [], state: 'approved' } as unknown as Plan);
  expect(audit[0]).toMatchObject(['begin', { rule: 'elicitation', subject: 'alice', session: 's1' }]);
});

it('records as hard as a write what reads more than Proxmox itself', async () => {
  const { audit, send } = opened();
  await send(`GET ${VM}/agent/file-read`, { data: { file: '/etc/shadow' } });
  expect(audit[0]?.[1]).toMatchObject({ write: true, method: 'GET', risks: ['execute'] });
});

it('records no refusal where an approval fails for another reason', async () => {
  const failing = { require: () => Promise.reject(new CallError('RATE_LIMITED', 'full', { hint: 'x' })) };
  const { audit, send } = opened({ policy: policyWith('self'), approvals: failing as unknown as Approvals });
  await expect(send('PUT /cluster/options', { data: { keyboard: 'de' } })).rejects.toThrow('full');
  expect(audit).toEqual([]);
});

describe('the person at the client', () => {
  it.each([
    [true, 'asked'],
    [false, 'not asked'],
  ])('is put the plan to where each call lets them be: %s', async (atClient, outcome) => {
    const policy = policyWith('person');
    const decide = policy.decide.bind(policy);
    policy.decide = (asked) =>
      Object.defineProperty(decide(asked), 'atClient', {
        value: atClient || asked.path.endsWith('/snapshot'),
      });
    const asked: unknown[] = [];
    const approvals = {
      require: async (_request: unknown, ask: unknown) => {
        asked.push(ask);
        return { number: 1, by: 'x' };
      },
    } as unknown as Approvals;
    const ask = async () => 'approve' as never;
    const { cluster, send } = opened({ policy, approvals }, { ask });
    cluster.reply = ({ path }) => {
      if (path.toString() === '/cluster/resources') return ROWS;
      return path.toString().includes('/tasks/') ? { status: 'stopped', exitstatus: 'OK' } : UPID;
    };
    await send(`PUT ${VM}/config`, { data: { cores: 2 }, snapshotFirst: 'one' });
    expect(asked).toEqual([outcome === 'asked' ? ask : undefined]);
  });
});

describe('what leaves', () => {
  it('has the deadline and the signal of the request', async () => {
    const { cluster, send } = opened();
    const { signal } = new AbortController();
    await send('GET /version', { deadlineMs: 77, signal });
    expect(cluster.calls[0]).toMatchObject({ deadlineMs: 77 });
    expect(cluster.calls[0]?.signal).toBe(signal);
    await send('GET /version');
    expect(cluster.calls[1]).not.toHaveProperty('deadlineMs');
  });

  it('and fails keeps the secrets of the call out of what its failure says', async () => {
    const { cluster, send } = opened();
    cluster.reply = () => {
      throw new CallError('UPSTREAM_ERROR', 'bad value canary-2', { hint: 'x' });
    };
    const error = await send(`PUT ${VM}/config`, { data: { cipassword: 'canary-2' } }).catch(
      (thrown: CallError) => thrown,
    );
    expect(String((error as CallError).message)).not.toContain('canary-2');
  });
});

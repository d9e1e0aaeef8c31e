import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { CallOrigin, GateRequest } from '../../../src/access/gate.ts';
import type { Policy } from '../../../src/access/policy/policy.ts';
import type { AuditLog } from '../../../src/audit/audit-log.ts';
import type { ClusterConfig } from '../../../src/config/config.ts';
import { Secret } from '../../../src/config/secret.ts';
import { formsOf } from '../../../src/observability/encodings.ts';
import { apiPath } from '../../../src/proxmox/api-path.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { handleOf, planOf, principal } from '../../support/approvals.ts';
import { failureOf } from '../../support/engine-fixtures.ts';
import { gateFor, policyWith } from '../../support/gate.ts';
import { policyOf } from '../../support/policy.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const UPID = 'UPID:pve1:0000ABCD:00112233:66112233:qmigrate:100:mcp@pve!mcp:';
const SECRET = 'c4n4ry-7f3e+21a9/secret-of-there';
const ROW = {
  id: 'qemu/100',
  type: 'qemu',
  vmid: 100,
  node: 'pve1',
  name: 'web-1',
  tags: 'blue',
  pool: 'own',
};
const FINGERPRINT = 'AA:BB:CC';

interface Stage {
  policy?: Policy;
  there?: Partial<ClusterConfig>;
  rows?: readonly object[];
  of?: Partial<CallOrigin>;
}

/** Two clusters at the network edge, a guest on the first, and all that is said of a call between them. */
function stage({ policy = policyWith('none'), there = {}, rows = [ROW], of = {} }: Stage = {}) {
  const source = new RecordingCluster('here');
  source.reply = ({ method, path }) => {
    if (method === 'POST') return UPID;
    if (path.toString().endsWith('/status')) return { status: 'stopped', exitstatus: 'OK' };
    return path.toString() === '/cluster/resources' ? rows : null;
  };
  const target = new RecordingCluster('there', {
    credentials: { kind: 'token', user: 'mcp@pve', tokenId: 'mcp', secret: new Secret(SECRET) },
    ...there,
  });
  const address = { host: 'pve.example', port: 8006, fingerprint: FINGERPRINT, isProven: true };
  const asked: string[] = [];
  target.addressOf = async (node?: string) => {
    asked.push(String(node));
    return address;
  };
  const audit: Record<string, unknown>[] = [];
  const said: string[] = [];
  const entered: string[] = [];
  const log: AuditLog = {
    begin: async (entry) => void audit.push({ ...entry }),
    end: async (entry) => void audit.push({ ...entry }),
    task: async (entry) => void audit.push({ ...entry }),
    healthy: () => ({ ok: true }),
    head: () => ({ seq: 0, hash: '' }),
    close: async () => undefined,
  };
  const logger = pino({ level: 'trace' }, { write: (line: string) => void said.push(line) });
  const gate = gateFor(logger, { policy, audit: log });
  const opened = (more: Partial<CallOrigin> = {}) => {
    const origin: CallOrigin = {
      principal: principal('alice', ['proxmox:admin']),
      requestId: 'r1',
      tool: 'migrate_guest_between_clusters',
      door: 'http',
      signal: new AbortController().signal,
      enter: (name) => void entered.push(name),
      ...of,
      ...more,
    };
    const open = (cluster: RecordingCluster) => gate.open({ cluster, selectedBy: 'explicit' }, origin);
    return { from: open(source), to: open(target) };
  };
  const requestTo = (
    to: GateRequest['remote'] & object,
    data: Record<string, unknown> = {},
  ): GateRequest => ({
    method: 'POST',
    path: apiPath`/nodes/pve1/qemu/100/remote_migrate`,
    data: { 'target-storage': 'fast', 'target-bridge': 'vmbr0', ...data },
    remote: to,
  });
  const move = (more: Partial<CallOrigin> = {}, data: Record<string, unknown> = {}, node = 'pve7') => {
    const { from, to } = opened(more);
    return from.request(requestTo({ to, node }, data));
  };
  const writes = () => [...source.calls, ...target.calls].filter(({ method }) => method !== 'GET');
  const everything = (...more: unknown[]) => JSON.stringify([audit, said, more]);
  return {
    source,
    target,
    address,
    asked,
    audit,
    said,
    entered,
    opened,
    requestTo,
    move,
    writes,
    everything,
  };
}

function expectNoSecret(text: string): void {
  for (const form of formsOf(SECRET)) expect(text).not.toContain(form);
}

describe('a guest that goes to another cluster', () => {
  it('is sent once, with the endpoint of the node; the record names it in words', async () => {
    const { source, audit, entered, asked, move, writes, everything } = stage();
    await expect(move()).resolves.toMatchObject({ data: UPID });
    expect(writes()).toHaveLength(1);
    expect(source.calls.at(-1)?.parameters).toEqual({
      'target-storage': 'fast',
      'target-bridge': 'vmbr0',
      'target-endpoint': `host=pve.example,port=8006,apitoken=PVEAPIToken=mcp@pve!mcp=${SECRET},fingerprint=${FINGERPRINT}`,
    });
    expect(source.calls.at(-1)?.secrets).toEqual([SECRET]);
    expect(asked).toEqual(['pve7']);
    expect(entered).toEqual(['there', 'here']);
    expect(audit).toMatchObject([
      {
        cluster: 'here',
        parameters: {
          'target-storage': 'fast',
          target: `node pve7 of there at pve.example:8006, certificate ${FINGERPRINT}`,
        },
      },
      { outcome: 'ok', upid: UPID },
    ]);
    expect(Object.keys(audit[0]?.parameters ?? {})).not.toContain('target-endpoint');
    expectNoSecret(everything());
  });

  it('keeps the secret out of an error that repeats what was sent', async () => {
    const { source, move, everything } = stage();
    const reply = source.reply;
    source.reply = (call) => {
      if (call.method === 'GET') return reply(call);
      // The engine has taken out what it was told to.
      expect(call.secrets).toEqual([SECRET]);
      throw new CallError('UPSTREAM_ERROR', 'it failed', { hint: 'x' });
    };
    const error = await failureOf(move());
    expectNoSecret(everything(error.message, error.hint, error.stack));
  });

  it('takes no snapshot with the endpoint of another cluster', async () => {
    const { opened, requestTo, source } = stage();
    const { from, to } = opened();
    await from.request({ ...requestTo({ to, node: 'pve7' }), snapshotFirst: 'before' });
    const [snapshot, migration] = source.calls.filter(({ method }) => method === 'POST');
    expect(snapshot?.parameters).toEqual({ snapname: 'before' });
    expect(migration?.path.toString()).toContain('remote_migrate');
  });

  it('adds an endpoint to nothing else', async () => {
    const { opened, asked, writes } = stage();
    const { from, to } = opened();
    for (const path of [apiPath`/nodes/pve1/qemu/100/config`, apiPath`/nodes/pve1/qemu`]) {
      const request = { method: 'POST', path, data: { vmid: 100 }, remote: { to, node: 'pve7' } } as const;
      await expect(from.request(request)).rejects.toThrow('for a remote migration alone');
      await expect(from.approve([request])).rejects.toThrow('for a remote migration alone');
    }
    expect(asked).toEqual([]);
    expect(writes()).toEqual([]);
  });
});

describe('the cluster that a guest goes to', () => {
  const grants = (...allow: object[]) =>
    policyOf({
      roles: { r: { grants: allow } },
      principals: [{ match: { subject: 'alice' }, roles: 'r' }],
      approval: { secret: 'none', change: 'none' },
    });
  const all = { allow: ['read', 'change', 'secret', 'destroy'] };

  it.each<[string, Stage, string]>([
    ['is read-only', { there: { readOnly: true } }, 'there'],
    ['is not the caller’s', { policy: grants({ ...all, clusters: 'here' }) }, 'there'],
    ['may be read alone', { policy: grants({ ...all, clusters: 'here' }, { allow: 'read' }) }, 'there'],
    [
      'has a rule against guests of that name',
      { policy: grants(all, { deny: 'change', clusters: 'there', guests: { names: 'web-*' } }) },
      'there',
    ],
    [
      'has a rule against guests with that tag',
      { policy: grants(all, { deny: 'change', clusters: 'there', guests: { tags: 'blue' } }) },
      'there',
    ],
    [
      'takes guests of other numbers alone',
      {
        policy: grants(
          { ...all, clusters: 'here' },
          { ...all, clusters: 'there', guests: { vmids: '900-999' } },
        ),
      },
      'there',
    ],
    ['is no source to leave', { policy: grants({ ...all, clusters: 'there' }) }, 'here'],
    [
      'belongs to a tenant by its pool, which does not come along',
      {
        policy: policyOf({
          principals: [{ match: { subject: 'alice' }, roles: 'admin', tenant: { pools: 'own' } }],
        }),
      },
      'there',
    ],
    [
      'may not be changed with this token',
      { of: { principal: principal('alice', ['proxmox:read', 'proxmox:secret']) } },
      'here',
    ],
    ['may not be changed by this request', { of: { readOnly: true } }, 'here'],
  ])('refuses it where it %s; that is recorded, and nothing left', async (_why, what, cluster) => {
    const { move, opened, requestTo, audit, asked, writes } = stage(what);
    await expect(move()).rejects.toMatchObject({ code: 'POLICY_DENIED', cluster });
    expect(audit).toMatchObject([
      { cluster, decision: 'denied', write: false, tool: 'migrate_guest_between_clusters' },
      { outcome: 'POLICY_DENIED' },
    ]);
    const { from, to } = opened();
    await expect(from.approve([requestTo({ to, node: 'pve7' })])).rejects.toMatchObject({ cluster });
    await expect(from.approveStanding([requestTo({ to, node: 'pve7' })])).rejects.toMatchObject({ cluster });
    expect(asked).toEqual([]);
    expect(writes()).toEqual([]);
  });

  it('takes one whose number there it allows', async () => {
    const policy = grants(
      { ...all, clusters: 'here' },
      { ...all, clusters: 'there', guests: { vmids: '900-999' } },
    );
    const { move, writes } = stage({ policy });
    await move({}, { 'target-vmid': 900 });
    expect(writes()).toHaveLength(1);
  });

  it('counts how many come at once', async () => {
    const second = { ...ROW, id: 'qemu/101', vmid: 101, name: 'web-2' };
    const policy = policyOf({
      roles: { r: { grants: [all] } },
      principals: [{ match: { subject: 'alice' }, roles: 'r', limits: { bulk: 1 } }],
      approval: { secret: 'none' },
    });
    const { opened, requestTo, writes } = stage({ policy, rows: [ROW, second] });
    const { from, to } = opened();
    const one = requestTo({ to, node: 'pve7' });
    const other = { ...one, path: apiPath`/nodes/pve1/qemu/101/remote_migrate` };
    await expect(from.approve([one, other])).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    expect(writes()).toEqual([]);
  });

  it('is asked for the approval that it wants where several come at once', async () => {
    const second = { ...ROW, id: 'qemu/101', vmid: 101, name: 'web-2' };
    const policy = policyOf({
      roles: {
        leaving: { grants: [{ ...all, clusters: 'here', approval: 'none' }] },
        coming: { grants: [{ ...all, clusters: 'there' }], approval: { bulk: 'second', change: 'none' } },
      },
      principals: [{ match: { subject: 'alice' }, roles: ['leaving', 'coming'] }],
      approval: { secret: 'none', bulk: 'none' },
    });
    const { opened, requestTo, writes } = stage({ policy, rows: [ROW, second] });
    const { from, to } = opened();
    const one = requestTo({ to, node: 'pve7' });
    const other = { ...one, path: apiPath`/nodes/pve1/qemu/101/remote_migrate` };
    await expect(from.approve([one])).resolves.toBeUndefined();
    const { plan } = await planOf(from.approve([one, other]));
    expect(plan.approval).toBe('second');
    expect(writes()).toEqual([]);
  });

  it('takes no guest whose name nobody can tell now: a rule could be about it', async () => {
    const { name: _name, ...nameless } = ROW;
    for (const rows of [[nameless], []]) {
      const { move, asked, writes } = stage({ rows });
      await expect(move()).rejects.toMatchObject({ code: 'CONFLICT' });
      expect(asked).toEqual([]);
      expect(writes()).toEqual([]);
    }
  });

  it('is asked for the stricter of both approvals', async () => {
    const policy = policyOf({
      roles: {
        r: {
          grants: [
            { ...all, clusters: 'here' },
            { ...all, clusters: 'there', approval: 'second' },
          ],
        },
      },
      principals: [{ match: { subject: 'alice' }, roles: 'r' }],
      approval: { secret: 'none' },
    });
    const { move, writes } = stage({ policy });
    const { plan } = await planOf(move());
    expect(plan.approval).toBe('second');
    expect(writes()).toEqual([]);
  });
});

describe('the person at the client', () => {
  it.each([
    ['here', false],
    ['there', false],
    ['nowhere', true],
  ])('is not asked where one of both clusters does not let them be: %s', async (strict, isAsked) => {
    const policy = policyWith('person');
    const decide = policy.decide.bind(policy);
    policy.decide = (asked) => Object.assign(decide(asked), { atClient: asked.cluster !== strict });
    let asked = 0;
    const ask = async () => {
      asked += 1;
      return { outcome: 'unanswered' } as never;
    };
    const { move, writes } = stage({ policy, of: { ask } });
    await failureOf(move());
    expect([asked > 0, writes()]).toEqual([isAsked, []]);
  });
});

describe('the plan of such a call', () => {
  const SELF = { policy: policyWith('self') };

  it('names the target in words, and goes through once as it was planned', async () => {
    const { move, writes, everything } = stage(SELF);
    const error = await planOf(move());
    expect(error.plan.calls).toEqual([
      {
        method: 'POST',
        path: '/nodes/pve1/qemu/100/remote_migrate',
        parameters: {
          'target-storage': 'fast',
          'target-bridge': 'vmbr0',
          target: `node pve7 of there at pve.example:8006, certificate ${FINGERPRINT}`,
        },
      },
    ]);
    expect(error.message).toContain('node pve7 of there at pve.example:8006');
    expectNoSecret(everything(error.toBody(), error.message));
    expect(writes()).toEqual([]);
    await move({ planHandle: error.plan.handle });
    expect(writes()).toHaveLength(1);
    await planOf(move({ planHandle: error.plan.handle }));
    expect(writes()).toHaveLength(1);
  });

  it.each<[string, (site: ReturnType<typeof stage>) => (handle: string) => Promise<unknown>]>([
    [
      'another node',
      ({ move }) =>
        (planHandle) =>
          move({ planHandle }, {}, 'pve8'),
    ],
    [
      'another storage',
      ({ move }) =>
        (planHandle) =>
          move({ planHandle }, { 'target-storage': 'slow' }),
    ],
    [
      'another bridge',
      ({ move }) =>
        (planHandle) =>
          move({ planHandle }, { 'target-bridge': 'vmbr1' }),
    ],
    [
      'another number',
      ({ move }) =>
        (planHandle) =>
          move({ planHandle }, { 'target-vmid': 101 }),
    ],
    [
      'another certificate',
      ({ move, address }) => {
        address.fingerprint = 'DD:EE';
        return (planHandle) => move({ planHandle });
      },
    ],
    [
      'another address',
      ({ move, address }) => {
        address.host = '192.0.2.66';
        return (planHandle) => move({ planHandle });
      },
    ],
    [
      'another token',
      ({ move, target }) => {
        Object.assign(target.config.credentials, { tokenId: 'other' });
        return (planHandle) => move({ planHandle });
      },
    ],
    [
      'a cluster of another name',
      ({ move, target }) => {
        Object.assign(target, { name: 'elsewhere' });
        return (planHandle) => move({ planHandle });
      },
    ],
  ])('is another one for %s', async (_what, change) => {
    const site = stage(SELF);
    const handle = await handleOf(site.move());
    const { plan } = await planOf(change(site)(handle));
    expect(plan.number).toBe(2);
    expect(site.writes()).toEqual([]);
  });

  it('shows no guest of the source that has the number which the guest gets there', async () => {
    const taken = { ...ROW, id: 'qemu/900', vmid: 900, name: 'somebody-else' };
    const { move } = stage({ ...SELF, rows: [ROW, taken] });
    const { plan } = await planOf(move({}, { 'target-vmid': 900 }));
    expect(plan.guests).toMatchObject([{ vmid: 100 }]);
    expect(JSON.stringify(plan)).not.toContain('somebody-else');
  });
});

describe('what a tool adds to a plan', () => {
  const notes = [
    'First the disks go over.',
    'Evil\u202enote\u0000 with\nlines',
    `It holds PVEAPIToken=a@pve!b=${SECRET}.`,
  ];

  async function planned(site: ReturnType<typeof stage>) {
    const { from, to } = site.opened();
    return planOf(from.approve([site.requestTo({ to, node: 'pve7' })], { notes, atLeast: 'self' }));
  }

  it('stands in it, cleaned and without secrets', async () => {
    const error = await planned(stage());
    expect(error.plan.approval).toBe('self');
    expect(error.plan.warnings[0]).toBe('First the disks go over.');
    expect(error.message).toContain('First the disks go over.');
    expect(error.message).toContain('Evilnote with lines');
    expect(error.message).toContain('PVEAPIToken=[redacted]');
    expectNoSecret(JSON.stringify([error.message, error.plan]));
  });

  it('stands in it also where nothing could be found out about the guests', async () => {
    const policy = policyOf({
      principals: [{ match: { subject: 'alice' }, roles: 'admin', tenant: { tags: 'blue' } }],
      approval: { secret: 'none' },
    });
    const site = stage({ policy });
    let asked = 0;
    site.source.inventoryReply = () => {
      // What the tenant may see of a plan is looked up last.
      if (++asked > 2) throw new Error('down');
      return { guests: [{ ...ROW, type: 'qemu', tags: ['blue'], status: 'running', template: false }] };
    };
    const error = await planned(site);
    expect(asked).toBe(3);
    expect(error.plan.warnings).toContain('First the disks go over.');
    expect(error.plan.warnings).toContain('What these calls are about could not be found out.');
  });

  it.each(['person', 'second'] as const)('never makes an approval by %s less', async (kind) => {
    const site = stage({ policy: policyWith(kind) });
    const { plan } = await planned(site);
    expect(plan).toMatchObject({ approval: kind });
    expect(plan).not.toHaveProperty('handle');
  });

  it('is no part of what is bound: the age of a backup changes while a person reads', async () => {
    const site = stage();
    const { plan } = await planned(site);
    const { from, to } = site.opened({ planHandle: plan.handle });
    const request = site.requestTo({ to, node: 'pve7' });
    await from.approve([request], { notes: ['other words'], atLeast: 'self' });
    await from.request(request);
    expect(site.writes()).toHaveLength(1);
    expect(site.audit.find(({ approval }) => approval !== undefined)).toMatchObject({
      approval: 'plan 1 by self',
    });
  });
});

import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Approvals } from '../../src/access/approvals/approvals.ts';
import { LIFETIME_MS } from '../../src/access/approvals/store.ts';
import { defaultPolicy } from '../../src/access/policy/policy.ts';
import { openState } from '../../src/access/state.ts';
import { Redaction } from '../../src/observability/redaction.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { type Answer, type GuardedClient, GuardedService } from '../support/guarded-service.ts';
import { tokenFor } from '../support/service.ts';
import { TOOL_CALLS } from '../support/tool-calls.ts';

const DESTROY = 'DELETE /nodes/pve1/qemu/100';
const APPROVE = 'proxmox:read proxmox:approve';

let simulator: Simulator;

let guarded: GuardedService;
let alice: GuardedClient;
let skew = 0;

/** The service with the default policy, over a clock that tests move on. */
beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  const clock = () => Date.now() + skew;
  const approvals = new Approvals({
    state: openState(undefined),
    logger: pino({ level: 'silent' }),
    redaction: new Redaction(),
    clock,
  });
  guarded = await GuardedService.start(simulator, {
    approvals,
    gateOptions: { policy: defaultPolicy(), approvals, clock },
  });
  alice = await guarded.connect({ subject: 'alice' });
});
beforeEach(() => guarded.mark());
afterAll(async () => {
  await guarded.close();
  await simulator.close();
});

function plan({ error }: Answer) {
  expect(error).toMatchObject({ code: 'APPROVAL_REQUIRED' });
  if (error?.plan === undefined) throw new Error('no plan');
  return error.plan;
}

async function http(path: string, token: string, method = 'POST') {
  const answer = await fetch(new URL(path, guarded.url), {
    method,
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const approve = async (number: number, token?: string) =>
  http(`/approvals/${number}/approve`, token ?? (await tokenFor('carol', APPROVE)));

/** A guest of the simulator that a test may destroy, under a name of its own. */
let next = 700;
async function makeGuest(name = 'victim'): Promise<{ vmid: number; destroy: string }> {
  const vmid = next++;
  const made = await alice.api('POST /nodes/pve1/qemu', { vmid, name, cores: 1 });
  expect(made.error).toBeUndefined();
  guarded.mark();
  return { vmid, destroy: `DELETE /nodes/pve1/qemu/${vmid}` };
}

describe('destroying a guest through a client that can not ask a person', () => {
  it('answers with a plan that says what is lost, and sends nothing', async () => {
    const shown = plan(await alice.api(DESTROY));
    expect(shown).toMatchObject({
      approval: 'person',
      calls: [{ method: 'DELETE', path: '/nodes/pve1/qemu/100', parameters: {} }],
      guests: [{ type: 'qemu', vmid: 100, name: 'web-01', status: 'running', node: 'pve1', pool: 'web' }],
    });
    expect(shown.handle).toBeUndefined();
    expect(JSON.stringify(shown.lost)).toContain('web-01');
    expect(JSON.stringify(shown.dependents)).toContain('nightly');
    expect(String(shown.last_backup)).toMatch(/ago/);
    expect(guarded.writes()).toEqual([]);
  });

  it('goes through once after an approver’s yes, and needs another plan then', async () => {
    const { destroy, vmid } = await makeGuest();
    const { number } = plan(await alice.api(destroy));
    expect(await approve(number)).toMatchObject({ status: 200, body: { plan: { state: 'approved' } } });
    expect((await alice.api(destroy)).isError).toBe(false);
    expect(guarded.writes()).toEqual([destroy]);
    // It is gone, and nobody is asked about what is not there; another of its number needs another plan.
    expect((await alice.api(destroy)).error?.code).toBe('NOT_FOUND');
    await alice.api('POST /nodes/pve1/qemu', { vmid, name: 'next', cores: 1 });
    guarded.mark();
    expect(plan(await alice.api(destroy)).number).toBeGreaterThan(number);
    expect(guarded.writes()).toEqual([]);
  });

  it('makes no plan for a guest that is not there, and creating one is not held up', async () => {
    const { error } = await alice.api('DELETE /nodes/pve1/qemu/7777');
    expect(error).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('7777') });
    const waiting = await http('/approvals', await tokenFor('carol', APPROVE), 'GET');
    expect(JSON.stringify(waiting.body)).not.toContain('7777');
    expect(guarded.writes()).toEqual([]);
  });

  it('makes no plan for a guest that is elsewhere, and says where', async () => {
    for (const [path, why] of [
      ['/nodes/pve2/qemu/100', 'Guest 100 is on pve1, not on pve2; nothing was sent.'],
      ['/nodes/pve1/lxc/100', 'Guest 100 is a VM (qemu), not a container (lxc); nothing was sent.'],
    ]) {
      const { error } = await alice.api(`DELETE ${path}`);
      expect(error).toMatchObject({ code: 'NOT_FOUND', message: why });
      expect(error?.hint).toContain('/nodes/pve1/qemu/100');
    }
    const waiting = await http('/approvals', await tokenFor('carol', APPROVE), 'GET');
    expect(JSON.stringify(waiting.body)).not.toMatch(/pve2\/qemu\/100|lxc\/100/);
    expect(guarded.writes()).toEqual([]);
  });

  it('stays refused after a no, through another node, with other parameters and as another type', async () => {
    const { destroy, vmid } = await makeGuest();
    const { number } = plan(await alice.api(destroy));
    await http(`/approvals/${number}/deny`, await tokenFor('carol', APPROVE));
    const message = expect.stringContaining(`declined plan ${number}`);
    const refused = { code: 'POLICY_DENIED', message };
    for (const data of [{ purge: 1 }, { skiplock: 1 }])
      expect((await alice.api(destroy, data)).error).toMatchObject(refused);
    expect((await alice.api(`DELETE /nodes/localhost/qemu/${vmid}`)).error).toMatchObject(refused);
    for (const place of ['pve2/qemu', 'pve1/lxc'])
      expect((await alice.api(`DELETE /nodes/${place}/${vmid}`)).error?.code).toBe('NOT_FOUND');
    // Another guest, and what somebody else asks for, is another question.
    const other = await makeGuest();
    plan(await alice.api(other.destroy));
    plan(await (await guarded.connect({ subject: 'bob' })).api(destroy));
    expect(guarded.writes()).toEqual([]);
  });

  it('stays refused after an approver’s no, and the answer says whose', async () => {
    const { destroy } = await makeGuest();
    const { number } = plan(await alice.api(destroy));
    await http(`/approvals/${number}/deny`, await tokenFor('carol', APPROVE));
    const { error } = await alice.api(destroy);
    expect(error).toMatchObject({ code: 'POLICY_DENIED', message: expect.stringContaining('carol') });
    expect((await approve(number)).status).toBe(409);
    expect((await alice.api(destroy)).error?.code).toBe('POLICY_DENIED');
    expect(guarded.writes()).toEqual([]);
  });
});

describe('a plan is not approved by', () => {
  it.each([
    ['an admin without the scope', async () => tokenFor('bob', 'proxmox:admin'), 403],
    [
      'all scopes but that one',
      async () =>
        tokenFor('bob', 'proxmox:read proxmox:change proxmox:destroy proxmox:execute proxmox:secret'),
      403,
    ],
    ['a token of nothing', async () => tokenFor('bob', ''), 403],
    ['no token at all', async () => 'none', 401],
  ])('%s', async (_who, token, status) => {
    const { number } = plan(await alice.api(DESTROY));
    expect((await approve(number, await token())).status).toBe(status);
    expect((await http('/approvals', await token(), 'GET')).status).toBe(status);
    expect((await http(`/approvals/${number}`, await token(), 'GET')).status).toBe(status);
    plan(await alice.api(DESTROY));
    expect(guarded.writes()).toEqual([]);
  });

  it('the credential that asked, whatever scopes it holds', async () => {
    const token = await tokenFor('dave', 'proxmox:admin proxmox:approve');
    const dave = await guarded.connect({ token });
    const { number } = plan(await dave.api(DESTROY));
    expect((await approve(number, token)).status).toBe(403);
    plan(await dave.api(DESTROY));
    expect(guarded.writes()).toEqual([]);
  });

  it('any tool, nor by a call of the raw one', async () => {
    const { number } = plan(await alice.api(DESTROY));
    for (const { name } of TOOLS) {
      const args = { ...TOOL_CALLS[name], number, plan: number, decision: 'approve', approved: true };
      await alice.call(name, { ...args, confirm: true, approval: 'approved' });
    }
    for (const more of [{ handle: String(number) }, { handle: 'approved' }, { expect_name: 'web-01' }])
      plan(await alice.api(DESTROY, undefined, more));
    for (const path of [`/approvals/${number}/approve`, `/../../approvals/${number}/approve`])
      await alice.api(`POST ${path}`);
    await alice.api(DESTROY, undefined, { confirm: true });
    expect((await http(`/approvals/${number}`, await tokenFor('carol', APPROVE), 'GET')).body).toMatchObject({
      plan: { state: 'pending' },
    });
    expect(guarded.writes()).toEqual([]);
  });
});

describe('an approval is for', () => {
  it('the principal that asked', async () => {
    const { destroy } = await makeGuest();
    const bob = await guarded.connect({ subject: 'bob' });
    const { number } = plan(await alice.api(destroy));
    await approve(number);
    expect(plan(await bob.api(destroy)).number).not.toBe(number);
    expect(guarded.writes()).toEqual([]);
  });

  it('exactly these parameters, this path and this cluster', async () => {
    const { destroy, vmid } = await makeGuest();
    await approve(plan(await alice.api(destroy)).number);
    for (const data of [{ purge: 1 }, { purge: 0 }, { skiplock: 1 }, { 'destroy-unreferenced-disks': 0 }])
      plan(await alice.api(destroy, data));
    plan(await alice.api(`DELETE /nodes/localhost/qemu/${vmid}`));
    const elsewhere = await alice.api(destroy.replace('pve1', 'stg1'), undefined, { cluster: 'staging' });
    expect(elsewhere.error?.code).toBe('NOT_FOUND');
    plan(await alice.api('DELETE /nodes/pve2/qemu/101'));
    expect(guarded.writes()).toEqual([]);
    // And is still there for what it was given.
    expect((await alice.api(`DELETE /api2/json/nodes/pve1/qemu/${vmid}/`)).isError).toBe(false);
    expect(guarded.writes()).toEqual([destroy]);
  });

  it('the guest as it was', async () => {
    const { destroy, vmid } = await makeGuest();
    const { number } = plan(await alice.api(destroy));
    await approve(number);
    expect((await alice.api(`PUT /nodes/pve1/qemu/${vmid}/config`, { name: 'precious' })).isError).toBe(
      false,
    );
    guarded.mark();
    const changed = await alice.api(destroy);
    expect(plan(changed).number).not.toBe(number);
    expect(changed.error?.message).toMatch(/changed since plan \d+: its name was "victim" and is "precious"/);
    expect(guarded.writes()).toEqual([]);
    expect((await approve(number)).status).toBe(404);
  });

  it('ten minutes', async () => {
    const { destroy } = await makeGuest();
    const approved = plan(await alice.api(destroy));
    await approve(approved.number);
    skew += LIFETIME_MS + 1000;
    const late = plan(await alice.api(destroy));
    expect(late.number).not.toBe(approved.number);
    skew += LIFETIME_MS + 1000;
    expect((await approve(late.number)).status).toBe(404);
    expect(guarded.writes()).toEqual([]);
  });

  it('one call of ten at once', async () => {
    const { destroy } = await makeGuest();
    await approve(plan(await alice.api(destroy)).number);
    const others = await Promise.all(
      (['sse', 'stateless'] as const).map((door) => guarded.connect({ door })),
    );
    const clients = [alice, ...others];
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => clients[index % clients.length]?.api(destroy)),
    );
    expect(answers.filter((answer) => answer?.isError === false)).toHaveLength(1);
    expect(guarded.writes()).toEqual([destroy]);
  });
});

describe('what needs an approval by default', () => {
  it.each<[string, Record<string, unknown> | undefined, string]>([
    ['POST /nodes/pve1/qemu/100/agent/exec', { command: ['id'] }, 'person'],
    ['POST /nodes/pve1/qemu/100/agent/file-write', { file: '/etc/motd', content: 'x' }, 'person'],
    ['POST /nodes/pve1/qemu/100/agent', { command: 'shutdown' }, 'person'],
    ['GET /nodes/pve1/qemu/100/agent/file-read', { file: '/etc/shadow' }, 'person'],
    ['POST /nodes/pve1/qemu/100/snapshot/installed/rollback', undefined, 'person'],
    ['PUT /nodes/pve1/qemu/100/config', { delete: 'scsi0' }, 'person'],
    ['PUT /nodes/pve1/qemu/100/config', { cores: 2, delete: 'net0,scsi0' }, 'person'],
    ['PUT /nodes/pve1/qemu/100/config', { delete: 'cdrom', force: 1 }, 'person'],
    ['PUT /cluster/replication/100-0', { remove_job: 'full' }, 'person'],
    ['PUT /access/acl', { path: '/', roles: 'Administrator', users: 'eve@pve' }, 'person'],
    ['PUT /access/password', { userid: 'root@pam', password: 'known to the agent' }, 'person'],
    ['POST /access/users/root@pam/token/mine', { privsep: 0 }, 'person'],
    ['PUT /access/users/mcp@pve/token/mcp', { privsep: 0 }, 'person'],
    ['PUT /nodes/pve1/lxc/110/config', { mp0: '/,mp=/mnt' }, 'person'],
    ['POST /nodes/pve1/stopall', undefined, 'person'],
    ['POST /nodes/pve1/stopall', { vms: '100' }, 'person'],
    ['POST /nodes/pve1/status', { command: 'reboot' }, 'person'],
    ['DELETE /nodes/pve1/storage/nas/content/nas:backup/vzdump-qemu-100-x.vma', undefined, 'person'],
    ['POST /cluster/bulk-action/guest/start', { vms: ['100', '101'] }, 'self'],
    ['POST /nodes/pve1/startall', undefined, 'self'],
    ['POST /nodes/pve1/startall', { vms: '100,110' }, 'self'],
    ['POST /nodes/pve1/suspendall', { vms: '100,110' }, 'self'],
    ['POST /nodes/pve1/migrateall', { target: 'pve2' }, 'self'],
  ])('%s %o: %s', async (line, data, kind) => {
    expect(plan(await alice.api(line, data)).approval).toBe(kind);
    expect(guarded.writes()).toEqual([]);
  });

  it('and what does not goes through at once', async () => {
    const answers = await Promise.all([
      alice.api('PUT /nodes/pve2/qemu/101/config', { cores: 2 }),
      alice.api('POST /nodes/pve2/qemu/101/snapshot', { snapname: 'now' }),
      alice.api('GET /cluster/resources'),
    ]);
    expect(answers.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
  });
});

describe('a plan that the caller may apply itself', () => {
  const BULK = 'POST /cluster/bulk-action/guest/start';
  const VMS = { vms: ['100', '101'] };

  it('takes its handle, once', async () => {
    const { handle } = plan(await alice.api(BULK, VMS));
    expect(handle).toMatch(/^[\w-]{43}$/);
    plan(await alice.api(BULK, VMS));
    expect(guarded.writes()).toEqual([]);
    expect((await alice.api(BULK, VMS, { handle })).error).toBeUndefined();
    expect(guarded.writes()).toHaveLength(1);
    const again = await alice.api(BULK, VMS, { handle });
    plan(again);
    expect(again.error?.message).toContain('used already');
    expect(guarded.writes()).toHaveLength(1);
  });

  it.each<[string, (handle: string) => Promise<Answer>]>([
    [
      'another principal',
      async (handle) => (await guarded.connect({ subject: 'bob' })).api(BULK, VMS, { handle }),
    ],
    ['other guests', (handle) => alice.api(BULK, { vms: ['100', '102'] }, { handle })],
    ['more guests', (handle) => alice.api(BULK, { vms: ['100', '101', '102'] }, { handle })],
    ['another order of them', (handle) => alice.api(BULK, { vms: ['101', '100'] }, { handle })],
    ['another parameter', (handle) => alice.api(BULK, { ...VMS, timeout: 60 }, { handle })],
    ['another action', (handle) => alice.api('POST /cluster/bulk-action/guest/suspend', VMS, { handle })],
    ['another cluster', (handle) => alice.api(BULK, VMS, { handle, cluster: 'staging' })],
    ['what a person has to approve', (handle) => alice.api(DESTROY, undefined, { handle })],
    ['half of it', (handle) => alice.api(BULK, VMS, { handle: handle.slice(0, 20) })],
    [
      'ten minutes later',
      (handle) => {
        skew += LIFETIME_MS;
        return alice.api(BULK, VMS, { handle });
      },
    ],
    [
      'a guest that has changed',
      async (handle) => {
        await alice.api('PUT /nodes/pve2/qemu/101/config', { memory: 4100 });
        guarded.mark();
        return alice.api(BULK, VMS, { handle });
      },
    ],
  ])('its handle does not fit %s', async (_what, attempt) => {
    const { handle = '' } = plan(await alice.api(BULK, VMS));
    plan(await attempt(handle));
    expect(guarded.writes()).toEqual([]);
  });

  it('is bound to all guests of a long list, also where it is too long to read each', async () => {
    const vms = [...Array.from({ length: 24 }, (_, index) => String(900 + index)), '101'];
    const { handle } = plan(await alice.api(BULK, { vms }));
    await alice.api('PUT /nodes/pve2/qemu/101/config', { name: 'another' });
    guarded.mark();
    plan(await alice.api(BULK, { vms }, { handle }));
    expect(guarded.writes()).toEqual([]);
  });

  it('is no way around a person: such a handle can not be had', async () => {
    const first = await alice.api(DESTROY);
    expect(first.raw).not.toMatch(/"handle"/);
    expect((await approve(plan(await alice.api(BULK, VMS)).number)).status).toBe(404);
  });

  it('is used by one of ten calls at once', async () => {
    const { handle } = plan(await alice.api(BULK, VMS));
    await Promise.all(Array.from({ length: 10 }, () => alice.api(BULK, VMS, { handle })));
    expect(guarded.writes()).toHaveLength(1);
  });
});

describe('expect_name', () => {
  it.each(['web-02', 'WEB', 'web-01 ', 'web', '*'])('%j is not the name of the guest', async (name) => {
    const { error } = await alice.api(DESTROY, undefined, { expect_name: name });
    expect(error).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('nothing was sent') });
    const start_ = await alice.api('POST /nodes/pve1/qemu/100/status/start', undefined, {
      expect_name: name,
    });
    expect(start_.error?.code).toBe('CONFLICT');
    expect(guarded.writes()).toEqual([]);
  });

  it('stops a call after an approval, too, and uses it up no more than a guest that is gone does', async () => {
    const { destroy } = await makeGuest();
    await approve(plan(await alice.api(destroy, undefined, { expect_name: 'victim' })).number);
    expect((await alice.api(destroy, undefined, { expect_name: 'other' })).error?.code).toBe('CONFLICT');
    expect(guarded.writes()).toEqual([]);
    expect((await alice.api(destroy, undefined, { expect_name: 'victim' })).isError).toBe(false);
    expect(guarded.writes()).toEqual([destroy]);
  });

  it('does not fit a call that names no guest, or one that is not there', async () => {
    for (const line of ['POST /nodes/pve1/startall', 'POST /nodes/pve1/qemu/999/status/start']) {
      expect((await alice.api(line, undefined, { expect_name: 'web-01' })).error?.code).toBe('CONFLICT');
    }
    expect(guarded.writes()).toEqual([]);
  });
});

it('a secret of the call is in no plan', async () => {
  const secret = 'c4n4ry-of-the-guest-0123456789';
  const answer = await alice.api('POST /nodes/pve1/qemu/100/agent/set-user-password', {
    username: 'root',
    password: secret,
  });
  const { number } = plan(answer);
  const seen = await http(`/approvals/${number}`, await tokenFor('carol', APPROVE), 'GET');
  expect(answer.raw + JSON.stringify(seen.body)).not.toContain(secret);
});

import { describe, expect, it } from 'vitest';
import type { CallOrigin, GatedCluster } from '../../../src/access/gate.ts';
import { defaultPolicy } from '../../../src/access/policy/policy.ts';
import type { AuditLog } from '../../../src/audit/audit-log.ts';
import type { Selection } from '../../../src/clusters/cluster.ts';
import type { Backups, GuestRow, InventoryOptions } from '../../../src/clusters/inventory.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { ConnectFailure } from '../../../src/proxmox/tls.ts';
import { principal } from '../../support/approvals.ts';
import { gateFor, type TestGate } from '../../support/gate.ts';
import { policyOf } from '../../support/policy.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const TENANT = policyOf({
  roles: { own: { grants: [{ allow: 'read' }] } },
  principals: [{ match: { subject: '*' }, roles: 'own', tenant: { pools: 'web' } }],
});
const { signal: SIGNAL } = new AbortController();

/** A cluster with two guests, of which one is the tenant's, and a backup of each. */
class TwoGuests extends RecordingCluster {
  readonly asked: object[] = [];

  override inventoryReply = (options: InventoryOptions) => {
    this.asked.push(options);
    const row = { type: 'qemu', node: 'n', status: 'running', template: false, tags: [] } as const;
    const guests: GuestRow[] = [
      { ...row, id: 'qemu/100', vmid: 100, pool: 'web' },
      { ...row, id: 'qemu/200', vmid: 200, pool: 'db' },
    ];
    return { guests };
  };

  override async backups(options?: object): Promise<never> {
    this.asked.push(options ?? {});
    const newest = new Map([100, 200].map((vmid) => [vmid, 1]));
    // What the class above promises is to give nothing.
    return { newest, unread: [], asOf: 0 } satisfies Backups as never;
  }
}

function opened(gate: TestGate = {}, more: Partial<Selection> = {}, of: Partial<CallOrigin> = {}) {
  const cluster = new TwoGuests('a');
  const audit: Record<string, unknown>[] = [];
  const log = {
    begin: async (entry: object) => void audit.push({ ...entry }),
    end: async () => undefined,
  } as unknown as AuditLog;
  const origin = { principal: principal('alice'), requestId: 'r', tool: 't', door: 'http', signal: SIGNAL };
  const selection: Selection = { cluster, selectedBy: 'pattern', matched: 'a*', ...more };
  const gated = gateFor(undefined, { audit: log, ...gate }).open(selection, { ...origin, ...of });
  const send = (line: string, by: GatedCluster = gated) => {
    const [method, path = ''] = line.split(' ') as [HttpMethod, string];
    return by.request({ method, path: parseApiPath(path) });
  };
  return { gated, cluster, audit, send };
}

/** The error of a cluster to which no connection came about, or one that was lost later. */
function unreachable(cause: Error): CallError {
  const details = { hint: 'Look.', cluster: 'a', retryable: false, cause };
  return new CallError('CLUSTER_UNREACHABLE', 'a is gone.', details);
}
const REFUSED = new ConnectFailure('refused', 'ECONNREFUSED');

describe('a cluster in the hands of a tool', () => {
  it.each([
    [false, false, true],
    [true, false, false],
    [false, true, false],
  ])('misses rights to write where it may: server %s, cluster %s', async (readOnly, own, isMissed) => {
    const cluster = new RecordingCluster('a', { readOnly: own });
    const { missing } = await opened({ readOnly }, { cluster }).gated.rights();
    expect(missing.includes('VM.PowerMgmt')).toBe(isMissed);
    expect(missing).toContain('VM.Audit');
  });

  it('is the same one without its fallback, and knows why it was selected', async () => {
    const { gated, audit, send } = opened({}, { fallback: new RecordingCluster('b') });
    const alone = gated.alone();
    expect([alone.name, alone.selectedBy, alone.matched]).toEqual(['a', 'pattern', 'a*']);
    await send('GET /version', alone);
    expect(audit.at(-1)).toMatchObject({ selectedBy: 'pattern', matched: 'a*' });
    const { cluster } = opened();
    const plain = gateFor(undefined).open(
      { cluster, selectedBy: 'single' },
      { principal: principal('alice'), requestId: 'r', tool: 't', door: 'http', signal: SIGNAL },
    );
    expect(plain.alone()).toHaveProperty('matched', undefined);
  });

  it('has the account and the API of its cluster', async () => {
    const { gated, cluster } = opened();
    expect(gated.account).toBe('mcp@pve!mcp');
    expect(await gated.catalogue()).toBe(await cluster.catalogue());
  });

  it('hands on how fresh an answer has to be, and the signal', async () => {
    const { gated, cluster } = opened();
    await gated.inventory();
    await gated.inventory({ fresh: true });
    await gated.backups();
    await gated.backups({ fresh: true });
    const once = [{ signal: SIGNAL }, { signal: SIGNAL, fresh: true }];
    expect(cluster.asked).toEqual([...once, ...once]);
  });

  it('shows a tenant its own guests and their backups, and others all', async () => {
    const numbers = async ({ gated }: { gated: GatedCluster }) => [
      (await gated.inventory()).guests.map(({ vmid }) => vmid),
      [...(await gated.backups()).newest.keys()],
    ];
    const tenant = opened({ policy: TENANT });
    expect(await numbers(tenant)).toEqual([[100], [100]]);
    // The list of guests that the backups are held against is read for the same caller.
    expect(tenant.cluster.asked.at(-1)).toEqual({ signal: SIGNAL });
    expect(await numbers(opened())).toEqual([
      [100, 200],
      [100, 200],
    ]);
  });
});

describe('a cluster that can’t be reached', () => {
  const lost = (error: CallError, more: Partial<Selection> = {}) => {
    const site = opened({}, more);
    site.cluster.reply = () => {
      throw error;
    };
    const failed = (line: string) => site.send(line).catch((thrown: unknown) => thrown);
    return { ...site, failed };
  };

  it('had a write not sent where there was no connection, which is said', async () => {
    const error = unreachable(REFUSED);
    const failure = await lost(error).failed('POST /nodes/n/qemu/100/status/start');
    expect(failure).toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
      message: 'a is gone. Nothing was sent.',
      hint: 'Look.',
      cluster: 'a',
      retryable: false,
      cause: REFUSED,
    });
    const fallback = new RecordingCluster('b');
    const second = await lost(error, { fallback }).failed('POST /nodes/n/qemu/100/status/start');
    expect(second).toHaveProperty('message', 'a is gone. Nothing was sent; a fallback never takes writes.');
    expect(fallback.calls).toEqual([]);
  });

  it('may have taken a write whose connection was lost: nothing is said of it', async () => {
    const error = unreachable(new Error('reset'));
    expect(await lost(error).failed('POST /nodes/n/qemu/100/status/start')).toBe(error);
  });

  it('fails a read as it is, where no other one can answer', async () => {
    const error = unreachable(REFUSED);
    expect(await lost(error).failed('GET /version')).toBe(error);
    const fallback = new RecordingCluster('b');
    expect(await lost(error, { fallback }).failed('GET /nodes/n/tasks')).toBe(error);
    expect(await lost(error, { fallback }).failed('GET /nodes/n/tasks/x/log')).toBe(error);
    expect(fallback.calls).toEqual([]);
  });

  it('has what another one answered recorded as that one’s', async () => {
    const fallback = new TwoGuests('b');
    const { gated, cluster, audit, send } = lost(unreachable(REFUSED), { fallback });
    cluster.inventoryReply = () => {
      throw unreachable(REFUSED);
    };
    await send('GET /version');
    await gated.inventory();
    expect(gated.servedBy).toBe('b');
    expect(
      audit.slice(-4).map(({ cluster: name, selectedBy, matched }) => [name, selectedBy, matched]),
    ).toEqual([
      ['a', 'pattern', 'a*'],
      ['b', 'fallback', 'a*'],
      ['a', 'pattern', 'a*'],
      ['b', 'fallback', 'a*'],
    ]);
  });
});

describe('what the gate itself tells', () => {
  const asking = (subject: string) => ({ principal: principal(subject), tool: 't' });
  const policy = policyOf({
    roles: { 'only-a': { grants: [{ allow: 'read', clusters: 'a' }] } },
    principals: [
      { match: { subject: 'alice' }, roles: 'only-a' },
      { match: { subject: 'tenant' }, roles: 'only-a', tenant: { pools: 'web' } },
    ],
  });

  it('is which clusters somebody sees', () => {
    const gate = gateFor(undefined, { policy });
    const [a, b] = [new RecordingCluster('a'), new RecordingCluster('b')];
    expect([gate.sees(a, asking('alice')), gate.sees(b, asking('alice'))]).toEqual([true, false]);
    expect(() => gate.requireSight([a], asking('alice'))).not.toThrow();
    expect(() => gate.requireSight([a, b], asking('alice'))).toThrow(
      expect.objectContaining({ code: 'POLICY_DENIED', cluster: 'b' }),
    );
  });

  it('is which tools are of use to somebody', () => {
    const asked: unknown[] = [];
    const mayUse = (...of: unknown[]) => asked.push(of) > 1;
    const gate = gateFor(undefined, { policy: Object.assign(defaultPolicy(), { mayUse }) });
    const tool = { name: 't' } as never;
    const alice = principal('alice');
    expect([gate.mayUse(alice, tool), gate.mayUse(alice, tool)]).toEqual([false, true]);
    expect(asked[0]).toEqual([alice, tool]);
  });

  it('is nothing of tenants to who is none, and nothing to write to a server that is read-only', async () => {
    const gate = gateFor(undefined, { policy, readOnly: true });
    expect(() => gate.tenants(principal('alice', ['proxmox:read']))).toThrow(
      expect.objectContaining({
        code: 'POLICY_DENIED',
        message: 'Which tenants there are is for administrators to see.',
        hint: 'Ask by pool or by tag; nothing was sent.',
      }),
    );
    expect(gate.tenants(principal('tenant'))).toHaveLength(1);
    expect(gate.jobs([], asking('alice')).list({})).toEqual([]);
    expect(gate.runs(principal('alice')).list()).toEqual([]);
    const schedule = { id: 1 } as never;
    const allowed = gateFor(undefined, { policy });
    await expect(gate.schedules(asking('alice')).disable(schedule)).rejects.toThrow(
      expect.objectContaining({ code: 'POLICY_DENIED' }),
    );
    const reading = allowed.schedules({ ...asking('alice'), readOnly: true });
    await expect(reading.disable(schedule)).rejects.toThrow(
      expect.objectContaining({ code: 'POLICY_DENIED' }),
    );
    await expect(allowed.schedules(asking('alice')).disable(schedule)).resolves.toBeUndefined();
  });
});

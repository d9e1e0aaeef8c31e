import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DescribedCall, describePlan, type PlanReader } from '../../src/access/approvals/describe.ts';
import { parseApiPath } from '../../src/proxmox/api-path.ts';
import type { HttpMethod, Parameters } from '../../src/proxmox/call.ts';
import { CallError } from '../../src/proxmox/errors.ts';
import { configFor, engineFor } from '../support/engine-fixtures.ts';
import { SimulatedApi } from '../support/simulated-api.ts';

let api: SimulatedApi;

beforeAll(async () => {
  api = await SimulatedApi.start({ resourcesLagSeconds: 0 });
});

afterAll(() => api.close());

function readerOf(cluster: string): PlanReader {
  const engine = engineFor(configFor(api.simulator.cluster(cluster)));
  return async (path, parameters, signal) => {
    return (await engine.send({ method: 'GET', path, parameters, signal })).data;
  };
}

function call(method: HttpMethod, path: string, parameters: Parameters = {}): DescribedCall {
  return { method, path: parseApiPath(path), parameters, risks: ['destroy'], reasons: [] };
}

function facts(cluster: string, ...calls: DescribedCall[]) {
  return describePlan(calls, readerOf(cluster), {
    signal: new AbortController().signal,
    now: Date.now(),
    tool: 'proxmox_api_call',
    deadlineMs: 10_000,
  });
}

describe('a guest that is to be destroyed', () => {
  it('is shown with its name, state, disks, snapshots, pool, backups and jobs', async () => {
    const found = await facts('production', call('DELETE', '/nodes/pve1/qemu/100', { purge: 1 }));
    expect(found.warnings).toEqual([]);
    expect(found.guests).toMatchObject([
      {
        type: 'qemu',
        vmid: 100,
        node: 'pve1',
        name: 'web-01',
        status: 'running',
        pool: 'web',
        tags: ['production', 'web'],
        snapshots: ['installed', 'before-upgrade', 'after-upgrade', 'experiment'],
      },
    ]);
    expect(found.lost[0]).toBe('"web-01" (VM 100), its configuration and its firewall rules');
    expect(found.lost.join('\n')).toMatch(/the disk "scsi0 local-lvm:vm-100-disk-\d+ \(40G\)"/);
    expect(found.lost).toContain('the entries of "web-01" (VM 100) in backup jobs, replication and HA');
    expect(found.dependents).toContain('the backup job "nightly" names "web-01" (VM 100)');
    expect(found.last_backup).toMatch(/^(?:\d+ hours|1 days|2 days) ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)$/);
    expect(found.undo).toContain("can't be undone");
  });

  it('says that HA, replication and linked clones count on it', async () => {
    const production = api.on('production');
    await production.ok('POST', '/cluster/ha/resources', { sid: 'vm:103' });
    const ha = await facts('production', call('DELETE', '/nodes/pve2/qemu/103'));
    expect(ha.dependents.join()).toMatch(/HA manages ".*" \(VM 103\)/);
    expect(ha.last_backup).toBe('none that this service can see');
    expect(ha.undo).toMatch(/only a backup .* Of ".*" \(VM 103\) there is none that this service can see\.$/);
    await production.work('POST', '/nodes/pve1/qemu/9000/clone', { newid: 950, name: 'linked' });
    const template = await facts('production', call('DELETE', '/nodes/pve1/qemu/9000'));
    expect(template.guests).toMatchObject([{ template: true }]);
    expect(template.dependents.join()).toContain('(VM 9000): the guests 950');
  });

  it('warns that it is protected, and that it is not there', async () => {
    const found = await facts('production', call('DELETE', '/nodes/pve3/qemu/102'));
    expect(found.guests).toMatchObject([{ protected: true }]);
    expect(found.warnings.join()).toContain('protected');
    const nobody = await facts('production', call('DELETE', '/nodes/pve1/qemu/777'));
    expect(nobody.warnings.join()).toContain('No guest 777');
  });

  it('finds the container of a bulk and the guests of a list', async () => {
    const found = await facts(
      'production',
      call('POST', '/nodes/pve1/lxc/110/status/stop'),
      call('POST', '/cluster/bulk-action/guest/shutdown', { vms: ['100', '101'] }),
    );
    expect(found.guests.map(({ name }) => name)).toEqual(['dns-01', 'web-01', 'web-02']);
    expect(found.lost.join()).toContain('"dns-01" (container 110)');
    expect(found.last_backup).toContain('"web-02" (VM 101): ');
  });

  it('only reads', async () => {
    const { requests } = api.simulator.cluster('staging');
    const before = requests.length;
    await facts('staging', call('DELETE', '/nodes/stg1/qemu/100'));
    const sent = requests.slice(before);
    expect(sent.length).toBeGreaterThan(5);
    expect(sent.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe('what else is lost', () => {
  it.each<[HttpMethod, string, Parameters, string]>([
    ['DELETE', '/nodes/pve1/qemu/100/snapshot/installed', {}, 'the snapshot "installed"'],
    [
      'POST',
      '/nodes/pve1/qemu/100/snapshot/installed/rollback',
      {},
      'everything that "web-01" (VM 100) wrote',
    ],
    ['POST', '/nodes/pve1/qemu/100/agent/exec', { command: ['rm'] }, 'inside "web-01" (VM 100)'],
    [
      'DELETE',
      '/nodes/pve1/storage/nas/content/nas:backup/vzdump-qemu-100-x.vma',
      {},
      'the backup "nas:backup/vzdump',
    ],
    ['DELETE', '/storage/nas', {}, 'the definition of the storage "nas"'],
    ['DELETE', '/pools', { poolid: 'web' }, 'the pool "web"'],
    ['DELETE', '/access/users/a@pve', {}, 'the user "a@pve"'],
    ['PUT', '/access/acl', { path: '/vms', delete: 1 }, 'rights that are taken away on "/vms"'],
    ['DELETE', '/cluster/firewall/rules/3', {}, 'the firewall entry "rules/3"'],
    ['DELETE', '/cluster/ha/rules/r1', {}, 'the HA rule "r1"'],
    ['PUT', '/nodes/pve1/network', {}, 'perhaps the connection to the node "pve1"'],
    ['DELETE', '/cluster/sdn/zones/z', {}, 'whatever DELETE "/cluster/sdn/zones/z" takes away'],
  ])('%s %s', async (method, path, parameters, text) => {
    const found = await facts('production', call(method, path, parameters));
    expect(found.lost.join('\n')).toContain(text);
    expect(found.undo).not.toBe('');
  });

  it('says whose volumes are on a storage, and offers a snapshot where one helps', async () => {
    const storage = await facts('production', call('DELETE', '/storage/nas'));
    expect(storage.dependents.join()).toMatch(/volumes on the storage "nas", of the guests .*102/);
    const change = await facts('production', call('PUT', '/nodes/pve1/qemu/100/config'));
    expect(change.undo).toContain('snapshot_first');
    const rollback = await facts(
      'production',
      call('POST', '/nodes/pve1/qemu/100/snapshot/installed/rollback'),
    );
    expect(rollback.undo).not.toContain('snapshot_first');
  });
});

describe('what can not be read', () => {
  it('is a warning, never a block', async () => {
    const denied: PlanReader = async () => {
      throw new CallError('PERMISSION_DENIED', 'no', { hint: 'no' });
    };
    const { signal } = new AbortController();
    const found = await describePlan([call('DELETE', '/nodes/a/lxc/5')], denied, {
      signal,
      now: 0,
      tool: 't',
    });
    expect(found.guests).toEqual([{ type: 'lxc', vmid: 5, node: 'a' }]);
    expect(found.warnings).toContain('The state of lxc 5 could not be read (PERMISSION_DENIED).');
    expect(found.undo).toContain("can't be undone");
  });

  it('is not waited for beyond the limit', async () => {
    const silent: PlanReader = () => new Promise(() => undefined);
    const { signal } = new AbortController();
    const options = { signal, now: 0, tool: 't', deadlineMs: 50 };
    const found = await describePlan([call('DELETE', '/nodes/a/qemu/5')], silent, options);
    expect(found.warnings).toContain('The list of guests could not be read (no answer within 0.05 s).');
  });

  it('ends with the call', async () => {
    const controller = new AbortController();
    const silent: PlanReader = () => new Promise(() => undefined);
    const options = { signal: controller.signal, now: 0, tool: 't' };
    const work = describePlan([call('DELETE', '/nodes/a/qemu/5')], silent, options);
    controller.abort(new Error('gone'));
    await expect(work).rejects.toThrow('gone');
  });
});

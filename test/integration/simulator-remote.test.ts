import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClusterSpec } from '../../src/simulator/estate.ts';
import { settingsOf } from '../../src/simulator/state/node-settings.ts';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

const SPECS: ClusterSpec[] = [
  {
    name: 'here',
    nodes: [{ name: 'pve' }],
    guests: [
      { vmid: 100, type: 'qemu', node: 'pve', name: 'traveller' },
      { vmid: 101, type: 'qemu', node: 'pve', name: 'rooted', snapshots: [{ name: 'one' }] },
      { vmid: 102, type: 'qemu', node: 'pve', name: 'base', template: true },
      { vmid: 110, type: 'lxc', node: 'pve', name: 'small', status: 'running' },
    ],
  },
  {
    name: 'there',
    nodes: [{ name: 'pve' }],
    guests: [{ vmid: 100, type: 'qemu', node: 'pve', name: 'taken' }],
  },
];

let api: SimulatedApi;
let here: ClusterApi;
let there: ClusterApi;
const vm = '/nodes/pve/qemu/100';

beforeAll(async () => {
  api = await SimulatedApi.start({ clusters: SPECS });
  here = api.on('here');
  there = api.on('there');
  const { state } = there.cluster;
  const [host] = state.nodes;
  if (host) settingsOf(state, host).interfaces.vmbr7 = { iface: 'vmbr7', type: 'bridge' };
});
afterAll(() => api.close());

function endpoint(changes: Record<string, string | undefined> = {}): string {
  const { url, fingerprint } = there.cluster;
  const [host = '', port = ''] = url.split(':');
  const parts = { host, port, apitoken: there.authorization, fingerprint, ...changes };
  return Object.entries(parts)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

const body = (changes: Record<string, string> = {}) => ({
  'target-endpoint': endpoint(),
  'target-storage': 'local-lvm',
  'target-bridge': 'vmbr0:vmbr7',
  'target-vmid': '500',
  ...changes,
});
const sourceNow = () =>
  JSON.stringify([...here.cluster.state.guests.values()].map(({ inside: _inside, ...guest }) => guest));

describe('what is refused, with the source as it was', () => {
  let present: string;
  beforeEach(() => {
    present = sourceNow();
  });

  test.each<[string, Record<string, string>, string]>([
    ['a target storage of 1', { 'target-storage': '1' }, 'Parameter verification failed.'],
    [
      'an endpoint without a token',
      { 'target-endpoint': 'host=127.0.0.1' },
      'Parameter verification failed.',
    ],
    ['a storage the target has not', { 'target-storage': 'nope' }, "storage 'nope' does not exist"],
    ['a storage that holds no disks', { 'target-storage': 'local' }, 'does not support content-type'],
    ['a number that is taken', { 'target-vmid': '100' }, 'already exists'],
  ])('%s', async (_what, changes, reason) => {
    expect((await here.call('POST', `${vm}/remote_migrate`, body(changes))).reason).toContain(reason);
    expect(sourceNow()).toBe(present);
  });

  test.each<[string, Record<string, string | undefined>, string]>([
    ['nobody listens', { port: '1' }, 'Connection refused'],
    ['another certificate', { fingerprint: 'AA:BB' }, 'not verified'],
    ['no fingerprint, and an unknown authority', { fingerprint: undefined }, 'certificate verify failed'],
    ['a wrong secret', { apitoken: 'PVEAPIToken=mcp@pve!mcp=nope' }, '401'],
  ])('%s', async (_what, changes, reason) => {
    const given = body({ 'target-endpoint': endpoint(changes) });
    expect((await here.call('POST', `${vm}/remote_migrate`, given)).reason).toContain(reason);
    expect(sourceNow()).toBe(present);
  });

  test('a cluster that is down, until it is up again', async () => {
    const { cluster } = there;
    await cluster.stop();
    expect(await here.refusal('POST', `${vm}/remote_migrate`, body())).toContain('Connection refused');
    expect(sourceNow()).toBe(present);
    await cluster.start();
    expect(await here.refusal('POST', `${vm}/remote_migrate`, body({ 'target-vmid': '100' }))).toContain(
      'already exists',
    );
  });

  test('a token that may not', async () => {
    const given = body({ 'target-endpoint': endpoint({ apitoken: api.on('there', true).authorization }) });
    expect((await here.call('POST', `${vm}/remote_migrate`, given)).reason).toContain(
      '/vms/500, VM.Allocate',
    );
  });

  test('snapshots, locks, clones that depend on it, a running container', async () => {
    expect((await here.call('POST', '/nodes/pve/qemu/101/remote_migrate', body())).reason).toContain(
      'snapshots',
    );
    const guest = here.cluster.state.guests.get(100);
    if (guest) guest.lock = 'backup';
    expect((await here.call('POST', `${vm}/remote_migrate`, body())).reason).toBe('VM is locked (backup)');
    if (guest) delete guest.lock;
    expect(await here.work('POST', '/nodes/pve/qemu/102/clone', { newid: '103' })).toBe('OK');
    expect((await here.call('POST', '/nodes/pve/qemu/102/remote_migrate', body())).reason).toContain(
      'linked clone',
    );
    const ct = '/nodes/pve/lxc/110/remote_migrate';
    expect((await here.call('POST', ct, body())).reason).toContain('not implemented');
  });

  test('a target that fills up on the way', async () => {
    const storage = there.cluster.state.storages.find((candidate) => candidate.storage === 'local-lvm');
    if (storage) storage.foreignBytes = storage.total;
    const { data: upid } = await here.call('POST', `${vm}/remote_migrate`, body());
    expect(await here.finish(upid)).toContain('No space left');
    if (storage) storage.foreignBytes = 0;
    expect(sourceNow()).toBe(present);
    expect(there.cluster.state.guests.has(500)).toBe(false);
  });
});

describe('what is moved', () => {
  test('an offline VM: there with its disks and the bridge of the target, here stopped', async () => {
    const { data: upid } = await here.call('POST', `${vm}/remote_migrate`, body());
    expect(upid).toContain(':qmigrate:100:');
    expect(await here.finish(upid)).toBe('OK');
    expect(await here.log(upid)).toContain(
      "volume 'local-lvm:vm-100-disk-0' is 'local-lvm:vm-500-disk-0' on the target",
    );
    expect(await there.get('/nodes/pve/qemu/500/config')).toMatchObject({
      name: 'traveller',
      scsi0: 'local-lvm:vm-500-disk-0,size=8G',
      net0: expect.stringContaining('bridge=vmbr7'),
    });
    const tasks = await there.rows('/nodes/pve/tasks?source=all&typefilter=qmtunnel');
    expect(tasks[0]).toMatchObject({ id: '500', user: 'mcp@pve', tokenid: 'mcp', status: 'OK' });
    expect(await here.get(`${vm}/status/current`)).toMatchObject({ status: 'stopped' });
  });

  test('a running container by restart, with delete', async () => {
    const path = '/nodes/pve/lxc/110/remote_migrate';
    expect(await here.work('POST', path, body({ restart: '1', delete: '1', 'target-vmid': '510' }))).toBe(
      'OK',
    );
    expect(here.cluster.state.guests.has(110)).toBe(false);
    expect(await there.get('/nodes/pve/lxc/510/status/current')).toMatchObject({
      status: 'running',
      name: 'small',
    });
  });

  test('the secret of the endpoint is in no record', () => {
    expect(JSON.stringify(here.cluster.requests)).not.toContain(there.cluster.tokenSecret);
  });
});

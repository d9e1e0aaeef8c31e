import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

let api: SimulatedApi;
let sim: ClusterApi;

beforeAll(async () => {
  api = await SimulatedApi.start();
  sim = api.on('production');
});
afterAll(() => api.close());

const refused: ClusterApi['refusal'] = (...call) => sim.refusal(...call);

describe('network interfaces', () => {
  const path = '/nodes/pve1/network';
  const bridge = { iface: 'vmbr1', type: 'bridge', cidr: '10.1.0.1/24', bridge_ports: 'eno2', autostart: 1 };

  test('change in a second file, seen as a difference until applied', async () => {
    expect((await sim.ok('GET', path)).body.changes).toBeUndefined();
    await sim.ok('POST', path, bridge);
    const { rows, body } = await sim.ok('GET', `${path}?type=bridge`);
    expect(rows.map(({ iface }) => iface)).toEqual(['vmbr0', 'vmbr1']);
    expect(body.changes).toContain('+++ /etc/network/interfaces.new');
    expect(body.changes).toContain('+\taddress 10.1.0.1/24');
    expect(await sim.work('PUT', path)).toBe('OK');
    expect((await sim.ok('GET', path)).body.changes).toBeUndefined();
    expect((await sim.ok('GET', `${path}/vmbr1`)).row).toMatchObject({
      method: 'static',
      netmask: '24',
      active: 1,
    });
  });

  test('are reverted before they are applied, and refuse what can not be', async () => {
    await sim.ok('DELETE', `${path}/vmbr1`);
    expect((await sim.ok('GET', path)).body.changes).toContain('-iface vmbr1');
    await sim.ok('DELETE', path);
    expect((await sim.ok('GET', `${path}/vmbr1`)).row.type).toBe('bridge');
    const second = await sim.call('PUT', `${path}/vmbr1`, { ...bridge, gateway: '10.1.0.254' });
    expect(second.body.errors).toHaveProperty('gateway');
    expect(await refused('POST', path, { ...bridge, iface: 'vmbr2', bridge_ports: 'eno9' })).toContain(
      'unable to find bridge port',
    );
    expect(await refused('GET', `${path}/vmbr9`)).toBe('interface does not exist');
  });
});

describe('a host', () => {
  test('keeps its names, time and notes', async () => {
    await sim.ok('PUT', '/nodes/pve1/dns', { search: 'lab.example.com', dns1: '192.0.2.53' });
    expect((await sim.ok('GET', '/nodes/pve1/dns')).row).toEqual({
      search: 'lab.example.com',
      dns1: '192.0.2.53',
    });
    const { row: hosts } = await sim.ok('GET', '/nodes/pve1/hosts');
    await sim.ok('POST', '/nodes/pve1/hosts', {
      data: '127.0.0.1 localhost\n',
      digest: String(hosts.digest),
    });
    expect(await refused('POST', '/nodes/pve1/hosts', { data: 'x', digest: String(hosts.digest) })).toContain(
      'detected modified',
    );
    await sim.ok('PUT', '/nodes/pve1/time', { timezone: 'Asia/Tokyo' });
    const { row: time } = await sim.ok('GET', '/nodes/pve1/time');
    expect(Number(time.localtime) - Number(time.time)).toBe(9 * 3600);
    expect(await refused('PUT', '/nodes/pve1/time', { timezone: 'Mars/Base' })).toBe(
      'Parameter verification failed.',
    );
    await sim.ok('PUT', '/nodes/pve1/config', { description: 'Rack 4' });
    expect((await sim.ok('GET', '/nodes/pve1/config?property=description')).row).toEqual({
      description: 'Rack 4',
    });
  });

  test('has services that stop and start in tasks', async () => {
    const state = async () => (await sim.ok('GET', '/nodes/pve1/services/postfix/state')).row.state;
    expect(await state()).toBe('running');
    expect(await sim.work('POST', '/nodes/pve1/services/postfix/stop')).toBe('OK');
    expect(await state()).toBe('dead');
    await sim.work('POST', '/nodes/pve1/services/postfix/restart');
    expect(await state()).toBe('running');
    expect(await refused('POST', '/nodes/pve1/services/pveproxy/stop')).toContain('essential');
  });

  test('lists updates, repositories and its subscription', async () => {
    expect(await sim.work('POST', '/nodes/pve1/apt/update')).toBe('OK');
    const { rows } = await sim.ok('GET', '/nodes/pve1/apt/update');
    expect(rows).toContainEqual(
      expect.objectContaining({ Package: 'pve-manager', OldVersion: '9.2.11', Version: '9.2.12' }),
    );
    const standard = async () => {
      const { data } = await sim.ok<{ 'standard-repos': object[] }>('GET', '/nodes/pve1/apt/repositories');
      return data['standard-repos'] as Record<string, unknown>[];
    };
    expect((await standard()).find(({ handle }) => handle === 'test')).not.toHaveProperty('status');
    await sim.ok('PUT', '/nodes/pve1/apt/repositories', { handle: 'test' });
    expect((await standard()).find(({ handle }) => handle === 'test')).toMatchObject({ status: 1 });
    expect((await sim.ok('GET', '/nodes/pve1/subscription')).row.status).toBe('notfound');
    await sim.ok('PUT', '/nodes/pve1/subscription', { key: 'pve2c-0123456789' });
    expect((await sim.ok('GET', '/nodes/pve1/subscription')).row).toMatchObject({
      status: 'active',
      level: 'c',
    });
  });

  test('makes a pool of free disks and gives them back', async () => {
    const free = async () => {
      return (await sim.ok('GET', '/nodes/pve1/disks/list?type=unused')).rows.map(({ devpath }) => devpath);
    };
    expect(await free()).toEqual(['/dev/sda', '/dev/sdb']);
    const pool = { name: 'tank', devices: '/dev/sda,/dev/sdb', raidlevel: 'mirror' };
    expect(await sim.work('POST', '/nodes/pve1/disks/zfs', pool)).toBe('OK');
    expect(await free()).toEqual([]);
    const detail = (await sim.ok('GET', '/nodes/pve1/disks/zfs/tank')).row;
    expect(JSON.stringify(detail)).toContain('mirror-0');
    expect(await refused('POST', '/nodes/pve1/disks/lvm', { name: 'fast', device: '/dev/sda' })).toContain(
      'already in use',
    );
    await sim.work('DELETE', '/nodes/pve1/disks/zfs/tank?cleanup-disks=1');
    expect(await free()).toEqual(['/dev/sda', '/dev/sdb']);
    expect((await sim.ok('GET', '/nodes/pve1/disks/smart?disk=/dev/sda')).row).toMatchObject({ type: 'ata' });
    expect(await sim.work('POST', '/nodes/pve1/disks/initgpt', { disk: '/dev/sda' })).toBe('OK');
    expect(await refused('PUT', '/nodes/pve1/disks/wipedisk', { disk: '/dev/sda' })).toContain(
      'user != root@pam',
    );
    expect(await refused('POST', '/nodes/pve1/execute', { commands: '[]' })).toContain('user != root@pam');
  });

  test('takes a certificate of its own and gives it up', async () => {
    const pem = sim.cluster.certificatePem;
    const bad = await sim.call('POST', '/nodes/pve1/certificates/custom', { certificates: 'nonsense' });
    expect(bad.status).toBe(400);
    const { row } = await sim.ok('POST', '/nodes/pve1/certificates/custom', { certificates: pem });
    expect(row).toMatchObject({ filename: 'pveproxy-ssl.pem', fingerprint: sim.cluster.fingerprint });
    expect((await sim.ok('GET', '/nodes/pve1/certificates/info')).rows).toHaveLength(3);
    await sim.ok('DELETE', '/nodes/pve1/certificates/custom');
    expect((await sim.ok('GET', '/nodes/pve1/certificates/info')).rows).toHaveLength(2);
  });

  test('writes a log that can be read by page, by service and by time', async () => {
    const all = await sim.ok('GET', '/nodes/pve1/syslog?limit=5');
    expect(all.rows).toHaveLength(5);
    expect(all.body.total).toBeGreaterThan(300);
    const { rows } = await sim.ok('GET', '/nodes/pve1/syslog?service=chrony&limit=500');
    expect(rows.every(({ t }) => String(t).includes('chrony['))).toBe(true);
    expect((await sim.ok('GET', '/nodes/pve1/journal?lastentries=3')).data).toHaveLength(5);
  });
});

describe('curves', () => {
  test('end where the status is, and are the same when asked again', async () => {
    const path = '/nodes/pve1/qemu/100';
    const { rows } = await sim.ok('GET', `${path}/rrddata?timeframe=hour`);
    expect(rows).toHaveLength(60);
    const last = rows.at(-1);
    const { row: current } = await sim.ok('GET', `${path}/status/current`);
    expect(last).toMatchObject({ maxmem: current.maxmem });
    expect(Math.abs(Number(last?.mem) / Number(current.mem) - 1)).toBeLessThan(0.2);
    for (const at of ['/nodes/pve1', '/nodes/pve1/lxc/110', '/nodes/pve1/storage/nas']) {
      const week = await sim.ok('GET', `${at}/rrddata?timeframe=week&cf=MAX`);
      expect(week.rows, at).toHaveLength(336);
    }
    const known = rows.filter(({ cpu }) => cpu !== undefined);
    expect(known.every(({ cpu }) => Number(cpu) >= 0 && Number(cpu) <= 1)).toBe(true);
  });
});

describe('power', () => {
  const status = async (name: string) => {
    const { rows } = await sim.ok('GET', '/nodes');
    return rows.find(({ node }) => node === name)?.status;
  };

  test('a reboot takes a node away for a while, and its guests with it', async () => {
    await sim.ok('POST', '/nodes/pve3/status', { command: 'reboot' });
    expect(await status('pve3')).toBe('offline');
    expect((await sim.call('GET', '/nodes/pve3/dns')).status).toBe(595);
    api.pass(61);
    expect(await status('pve3')).toBe('online');
    expect((await sim.ok('GET', '/nodes/pve3/qemu/102/status/current')).row.status).toBe('running');
  });

  test('a node that was shut down is woken from another', async () => {
    await sim.ok('PUT', '/nodes/pve2/config', { wakeonlan: '02:00:00:00:00:02' });
    await sim.ok('POST', '/nodes/pve2/status', { command: 'shutdown' });
    api.pass(3600);
    expect(await status('pve2')).toBe('offline');
    expect(sim.cluster.state.guests.get(101)?.status).toBe('stopped');
    expect((await sim.ok('POST', '/nodes/pve2/wakeonlan')).data).toBe('02:00:00:00:00:02');
    expect(await status('pve2')).toBe('online');
  });
});

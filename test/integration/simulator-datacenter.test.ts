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

describe('pools', () => {
  test('nest, take members and must be empty to go', async () => {
    expect(await refused('POST', '/pools', { poolid: 'none/below' })).toContain("parent 'none'");
    await sim.ok('POST', '/pools', { poolid: 'lab', comment: 'Experiments' });
    await sim.ok('POST', '/pools', { poolid: 'lab/net' });
    await sim.ok('PUT', '/pools', { poolid: 'lab/net', vms: '103', storage: 'nas' });
    expect(await refused('PUT', '/pools', { poolid: 'lab', vms: '103' })).toContain(
      "'allow-move' is not set",
    );
    await sim.ok('PUT', '/pools/lab', { vms: '103', 'allow-move': 1 });
    const { rows } = await sim.ok('GET', '/pools?poolid=lab');
    expect(rows[0]).toMatchObject({ poolid: 'lab', members: [expect.objectContaining({ vmid: 103 })] });
    expect(await refused('DELETE', '/pools?poolid=lab')).toBe("pool 'lab' has subpools");
    expect(await refused('DELETE', '/pools?poolid=lab/net')).toBe("pool 'lab/net' is not empty");
    await sim.ok('PUT', '/pools', { poolid: 'lab/net', storage: 'nas', delete: 1 });
    await sim.ok('DELETE', '/pools?poolid=lab/net');
    await sim.ok('PUT', '/pools', { poolid: 'lab', vms: '103', delete: 1 });
    await sim.ok('DELETE', '/pools/lab');
  });
});

describe('high availability', () => {
  test('a resource is started, stopped and moved by its manager, not by the call', async () => {
    await sim.ok('POST', '/cluster/ha/resources', { sid: '103', state: 'started' });
    const current = () => sim.ok('GET', '/nodes/pve2/qemu/103/status/current');
    expect((await current()).row).toMatchObject({ status: 'running', ha: { managed: 1, state: 'started' } });
    const { data } = await sim.ok('POST', '/nodes/pve2/qemu/103/status/shutdown');
    expect(data).toContain(':hastop:103:mcp@pve!mcp:');
    expect((await current()).row).toMatchObject({ status: 'stopped', ha: { state: 'stopped' } });
    const [last] = sim.cluster.state.tasks.list();
    expect(last).toMatchObject({ type: 'qmstop', owner: 'root@pam' });
    const { row } = await sim.ok('POST', '/cluster/ha/resources/vm:103/migrate', { node: 'pve3' });
    expect(row).toEqual({ sid: 'vm:103', 'requested-node': 'pve3' });
    expect((await sim.ok('GET', '/nodes/pve3/qemu/103/status/current')).row.status).toBe('stopped');
    expect((await sim.ok('POST', '/nodes/pve3/qemu/103/migrate', { target: 'pve1' })).data).toContain(
      ':hamigrate:',
    );
    expect(sim.cluster.state.guests.get(103)?.node).toBe('pve1');
    await sim.ok('POST', '/cluster/ha/resources/vm:103/relocate', { node: 'pve3' });
    const inventory = await sim.ok('GET', '/cluster/resources?type=vm');
    expect(inventory.rows.find(({ vmid }) => vmid === 103)).toMatchObject({
      node: 'pve3',
      hastate: 'stopped',
    });
  });

  test('status names quorum, master, every node and every service', async () => {
    const { rows } = await sim.ok('GET', '/cluster/ha/status/current');
    expect(rows.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['quorum', 'master', 'lrm:pve1', 'lrm:pve3', 'service:vm:103']),
    );
    const { row } = await sim.ok('GET', '/cluster/ha/status/manager_status');
    expect(row).toMatchObject({
      manager_status: { master_node: 'pve1', service_status: { 'vm:103': { node: 'pve3' } } },
    });
  });

  test('rules and groups name what exists, and lose what is removed', async () => {
    const rule = { rule: 'near', type: 'node-affinity', resources: 'vm:103', nodes: 'pve3:2,pve1' };
    expect(await refused('POST', '/cluster/ha/rules', { ...rule, resources: 'vm:100' })).toContain(
      'unmanaged',
    );
    await sim.ok('POST', '/cluster/ha/rules', rule);
    await sim.ok('POST', '/cluster/ha/groups', { group: 'west', nodes: 'pve1,pve2' });
    await sim.ok('PUT', '/cluster/ha/resources/vm:103', { group: 'west', comment: 'Builds' });
    expect(await refused('DELETE', '/cluster/ha/groups/west')).toContain('used');
    const stale = await refused('PUT', '/cluster/ha/resources/vm:103', {
      comment: 'x',
      digest: 'a'.repeat(40),
    });
    expect(stale).toContain('detected modified configuration');
    await sim.ok('DELETE', '/cluster/ha/resources/vm:103');
    expect((await sim.ok('GET', '/cluster/ha/rules')).rows).toEqual([]);
    await sim.ok('DELETE', '/cluster/ha/groups/west');
  });
});

describe('a guest that others count on', () => {
  test('is destroyed only with purge, and is forgotten everywhere', async () => {
    const path = '/nodes/pve3/lxc/112';
    await sim.ok('POST', '/cluster/ha/resources', { sid: 'ct:112', state: 'stopped' });
    await sim.ok('PUT', '/access/acl', { path: '/vms/112', users: 'root@pam', roles: 'PVEVMUser' });
    await sim.ok('POST', `${path}/firewall/rules`, { type: 'in', action: 'DROP' });
    expect(await refused('DELETE', path)).toContain('used in HA resources and purge parameter not set');
    expect(await sim.work('DELETE', `${path}?purge=1`)).toBe('OK');
    const { access, datacenter } = sim.cluster.state;
    expect(access.acl.some((entry) => entry.path === '/vms/112')).toBe(false);
    expect(datacenter.ha.resources).not.toHaveProperty('ct:112');
    expect(datacenter.firewalls.scopes).not.toHaveProperty('guest/112');
  });
});

describe('replication', () => {
  test('runs by its schedule or at once, and tells it on the node', async () => {
    expect(
      await refused('POST', '/cluster/replication', { id: '100-0', target: 'pve1', type: 'local' }),
    ).toContain('must be different');
    await sim.ok('POST', '/cluster/replication', {
      id: '100-0',
      target: 'pve2',
      type: 'local',
      schedule: '*/30',
    });
    const status = () => sim.ok('GET', '/nodes/pve1/replication/100-0/status');
    expect((await status()).row).toMatchObject({ last_sync: 0, guest: 100, target: 'pve2' });
    await sim.ok('POST', '/nodes/pve1/replication/100-0/schedule_now');
    const { last_sync: first } = (await status()).row;
    expect(first).toBeGreaterThan(0);
    api.pass(1800);
    expect((await status()).row.last_sync).toBeGreaterThan(Number(first));
    expect((await sim.ok('GET', '/nodes/pve1/replication/100-0/log')).body.total).toBe(3);
    expect((await sim.ok('GET', '/nodes/pve2/replication')).rows).toEqual([]);
    await sim.ok('DELETE', '/cluster/replication/100-0');
  });
});

describe('software-defined networks', () => {
  test('wait until they are applied', async () => {
    await sim.ok('POST', '/cluster/sdn/zones', { zone: 'blue', type: 'vlan', bridge: 'vmbr0' });
    expect(await refused('POST', '/cluster/sdn/vnets', { vnet: 'web', zone: 'blue' })).toBe(
      'Parameter verification failed.',
    );
    await sim.ok('POST', '/cluster/sdn/vnets', { vnet: 'web', zone: 'blue', tag: 20 });
    await sim.ok('POST', '/cluster/sdn/vnets/web/subnets', {
      subnet: '10.20.0.0/24',
      type: 'subnet',
      gateway: '10.20.0.1',
    });
    const pending = () => sim.ok('GET', '/cluster/sdn/zones?pending=1');
    expect((await pending()).rows[0]).toMatchObject({
      zone: 'blue',
      state: 'new',
      pending: { bridge: 'vmbr0' },
    });
    expect((await sim.ok('GET', '/cluster/sdn/zones?running=1')).rows).toEqual([]);
    const onNode = () => sim.ok('GET', '/nodes/pve1/sdn/zones');
    expect((await onNode()).rows).toContainEqual({ zone: 'blue', status: 'pending' });

    expect(await sim.work('PUT', '/cluster/sdn')).toBe('OK');
    expect((await pending()).rows[0]).not.toHaveProperty('state');
    expect((await onNode()).rows).toContainEqual({ zone: 'blue', status: 'available' });
    expect((await sim.ok('GET', '/cluster/resources?type=sdn')).rows).toContainEqual(
      expect.objectContaining({ id: 'sdn/pve2/blue' }),
    );

    await sim.ok('PUT', '/cluster/sdn/zones/blue', { mtu: 1450 });
    expect((await pending()).rows[0]).toMatchObject({ state: 'changed', pending: { mtu: 1450 } });
    expect(await refused('DELETE', '/cluster/sdn/zones/blue')).toBe('zone blue is used by vnet web');
    await sim.ok('DELETE', '/cluster/sdn/vnets/web/subnets/blue-10.20.0.0-24');
    await sim.ok('DELETE', '/cluster/sdn/vnets/web');
    expect((await sim.ok('GET', '/cluster/sdn/vnets?pending=1')).rows[0]).toMatchObject({
      vnet: 'web',
      state: 'deleted',
    });
  });

  test('a lock keeps others out, and a rollback brings back what runs', async () => {
    expect(await refused('POST', '/cluster/sdn/lock')).toContain('pending changes');
    const { data: token } = await sim.ok('POST', '/cluster/sdn/lock', { 'allow-pending': 1 });
    expect(await refused('PUT', '/cluster/sdn/zones/blue', { mtu: 9000 })).toContain('locked');
    await sim.ok('POST', '/cluster/sdn/rollback', { 'lock-token': String(token) });
    expect((await sim.ok('GET', '/cluster/sdn/zones/blue')).row).not.toHaveProperty('mtu');
    expect((await sim.ok('GET', '/cluster/sdn/vnets/web')).row).toMatchObject({ tag: 20 });
  });

  test('fabrics have nodes', async () => {
    const fabric = { id: 'spine', protocol: 'openfabric', ip_prefix: '10.9.0.0/24' };
    await sim.ok('POST', '/cluster/sdn/fabrics/fabric', fabric);
    for (const node of ['pve1', 'pve2']) {
      await sim.ok('POST', '/cluster/sdn/fabrics/node/spine', {
        node_id: node,
        protocol: 'openfabric',
        ip: `10.9.0.${node.at(-1)}`,
      });
    }
    expect((await sim.ok('GET', '/cluster/sdn/fabrics/all')).row).toMatchObject({
      fabrics: [{ id: 'spine' }],
      nodes: [{ node_id: 'pve1' }, { node_id: 'pve2' }],
    });
    expect(await refused('DELETE', '/cluster/sdn/fabrics/fabric/spine')).toContain('still has nodes');
    await sim.work('PUT', '/cluster/sdn');
    expect((await sim.ok('GET', '/nodes/pve1/sdn/fabrics/spine/neighbors')).rows).toEqual([
      expect.objectContaining({ neighbor: 'pve2' }),
    ]);
  });
});

describe('the firewall', () => {
  const rules = '/cluster/firewall/rules';
  const comments = async (path: string) => (await sim.ok('GET', path)).rows.map(({ comment }) => comment);

  test('keeps rules in order: new ones first whatever `pos` says, moved, and by digest', async () => {
    for (const [index, comment] of ['third', 'second', 'first'].entries()) {
      await sim.ok('POST', rules, {
        type: 'in',
        action: 'ACCEPT',
        comment,
        proto: 'tcp',
        dport: String(80 + index),
      });
    }
    await sim.ok('POST', rules, { type: 'out', action: 'DROP', comment: 'placed', pos: 1 });
    expect(await comments(rules)).toEqual(['placed', 'first', 'second', 'third']);
    await sim.ok('PUT', `${rules}/0`, { moveto: 2 });
    expect(await comments(rules)).toEqual(['first', 'placed', 'second', 'third']);
    await sim.ok('PUT', `${rules}/0`, { moveto: 3 });
    expect(await comments(rules)).toEqual(['placed', 'second', 'first', 'third']);
    expect(await refused('DELETE', `${rules}/0?digest=${'0'.repeat(40)}`)).toContain('detected modified');
    await sim.ok('DELETE', `${rules}/0`);
    expect(await comments(rules)).toEqual(['second', 'first', 'third']);
    expect(await refused('DELETE', `${rules}/9`)).toBe('no rule at position 9');
    const bad = await sim.call('POST', rules, { type: 'in', action: 'ACCEPT', dport: '22' });
    expect(bad.body.errors).toHaveProperty('proto');
  });

  test('has names for addresses, which rules can refer to', async () => {
    await sim.ok('POST', '/cluster/firewall/aliases', {
      name: 'office',
      cidr: '198.51.100.0/24',
      comment: 'HQ',
    });
    await sim.ok('POST', '/cluster/firewall/ipset', { name: 'admins' });
    await sim.ok('POST', '/cluster/firewall/ipset/admins', { cidr: '198.51.100.7' });
    await sim.ok('POST', '/cluster/firewall/ipset/admins', { cidr: '10.0.0.0/8', nomatch: 1 });
    expect((await sim.ok('GET', '/nodes/pve1/qemu/100/firewall/refs')).rows).toEqual([
      { type: 'alias', name: 'office', comment: 'HQ', scope: 'dc', ref: 'dc/office' },
      { type: 'ipset', name: 'admins', scope: 'dc', ref: '+dc/admins' },
    ]);
    expect(await refused('DELETE', '/cluster/firewall/ipset/admins')).toContain('is not empty');
    await sim.ok('DELETE', '/cluster/firewall/ipset/admins/10.0.0.0/8');
    expect((await sim.ok('GET', '/cluster/firewall/ipset/admins')).rows).toHaveLength(1);
    await sim.ok('PUT', '/cluster/firewall/aliases/office', { cidr: '198.51.100.0/25', rename: 'hq' });
    expect((await sim.ok('GET', '/cluster/firewall/aliases')).rows).toEqual([
      expect.objectContaining({ name: 'hq' }),
    ]);
  });

  test('groups, and the firewalls of guests, nodes and vnets, have rules of their own', async () => {
    await sim.ok('POST', '/cluster/firewall/groups', { group: 'web' });
    await sim.ok('POST', '/cluster/firewall/groups/web', { type: 'in', action: 'ACCEPT', macro: 'HTTPS' });
    const guest = '/nodes/pve1/qemu/100/firewall';
    await sim.ok('POST', `${guest}/rules`, { type: 'group', action: 'web', enable: 1 });
    expect(await refused('POST', `${guest}/rules`, { type: 'group', action: 'nope' })).toBe(
      'Parameter verification failed.',
    );
    await sim.ok('POST', '/nodes/pve1/firewall/rules', { type: 'in', action: 'DROP' });
    await sim.ok('POST', '/cluster/sdn/vnets/web/firewall/rules', { type: 'forward', action: 'DROP' });
    for (const path of [guest, '/nodes/pve1/firewall', '/cluster/sdn/vnets/web/firewall']) {
      expect((await sim.ok('GET', `${path}/rules`)).rows, path).toHaveLength(1);
    }
    expect((await sim.ok('GET', `${guest}/log`)).rows).toEqual([{ n: 1, t: 'no content' }]);
    await sim.ok('PUT', `${guest}/options`, { enable: 1, policy_in: 'DROP' });
    expect((await sim.ok('GET', `${guest}/log?limit=3`)).rows).toHaveLength(3);
    await sim.ok('PUT', `${guest}/options`, { delete: 'policy_in' });
    expect((await sim.ok('GET', `${guest}/options`)).row).toEqual({ enable: 1, digest: expect.any(String) });
    expect(await refused('DELETE', '/cluster/firewall/groups/web')).toContain('is not empty');
  });
});

describe('the datacenter', () => {
  test('options, log, metrics and what a joining host needs', async () => {
    await sim.ok('PUT', '/cluster/options', { mac_prefix: 'BC:24:11', keyboard: 'de' });
    await sim.ok('PUT', '/cluster/options', { delete: 'mac_prefix' });
    expect((await sim.ok('GET', '/cluster/options')).row).toEqual({ keyboard: 'de' });
    expect((await sim.ok('GET', '/cluster/log?max=2')).rows).toHaveLength(2);
    const metrics = (await sim.ok('GET', '/cluster/metrics/export')).row.data;
    expect(metrics).toContainEqual(expect.objectContaining({ id: 'qemu/100', metric: 'cpu', type: 'gauge' }));
    expect((await sim.ok('GET', '/cluster/config/join')).row).toMatchObject({
      preferred_node: 'pve1',
      totem: { cluster_name: 'production' },
    });
    const alone = await api.on('disaster-recovery').call('GET', '/cluster/config/join');
    expect(alone.reason).toContain('not in a cluster');
    const { rows } = await sim.ok('GET', '/cluster/jobs/schedule-analyze?schedule=02:30&iterations=2');
    expect(rows).toHaveLength(2);
    expect(Number(rows[0]?.timestamp) % 86_400).toBe(9000);
  });
});

describe('ceph', () => {
  const health = async () => (await sim.ok('GET', '/cluster/ceph/status')).row.health;

  test('is healthy, and warns of what is down, out or flagged', async () => {
    expect(await health()).toMatchObject({ status: 'HEALTH_OK', checks: {} });
    expect(await sim.work('PUT', '/cluster/ceph/flags', { noout: 1 })).toBe('OK');
    expect(await health()).toMatchObject({ status: 'HEALTH_WARN', checks: { OSDMAP_FLAGS: {} } });
    await sim.ok('PUT', '/cluster/ceph/flags/noout', { value: 0 });
    await sim.work('POST', '/nodes/pve2/ceph/stop', { service: 'osd.2' });
    expect(await health()).toMatchObject({
      checks: { OSD_DOWN: { summary: { count: 1 } }, PG_DEGRADED: {} },
    });
    const { row } = await sim.ok('GET', '/nodes/pve1/ceph/osd');
    expect(JSON.stringify(row)).toContain(
      '"name":"osd.2","type":"osd","leaf":1,"host":"pve2","status":"down"',
    );
    await sim.work('POST', '/nodes/pve2/ceph/start', { service: 'osd.2' });
    expect(await health()).toMatchObject({ status: 'HEALTH_OK' });
  });

  test('is refused where it is not installed', async () => {
    const reply = await api.on('staging').call('GET', '/cluster/ceph/status');
    expect(reply).toMatchObject({ status: 500, reason: expect.stringContaining('not installed') });
  });
});

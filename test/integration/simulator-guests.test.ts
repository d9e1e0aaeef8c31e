import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClusterSpec } from '../../src/simulator/estate.ts';
import { LOCAL_STORAGES } from '../../src/simulator/estate.ts';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

const SPEC: ClusterSpec = {
  name: 'lab',
  nodes: [{ name: 'n1' }, { name: 'n2' }, { name: 'n3' }],
  storages: [
    ...LOCAL_STORAGES,
    {
      storage: 'nas',
      type: 'nfs',
      content: ['images'],
      shared: true,
      totalGib: 500,
      options: { server: 's', export: '/e' },
    },
    {
      storage: 'thick',
      type: 'lvm',
      content: ['images', 'rootdir'],
      nodes: ['n1'],
      totalGib: 50,
      options: { vgname: 'vg0' },
    },
  ],
  guests: [
    { vmid: 9000, type: 'qemu', node: 'n1', name: 'base', template: true, diskGib: 10 },
    { vmid: 200, type: 'qemu', node: 'n1', name: 'agent', status: 'running', config: { agent: '1' } },
  ],
};

let api: SimulatedApi;
let lab: ClusterApi;
let id = 300;
let vm: string;

beforeAll(async () => {
  api = await SimulatedApi.start({ clusters: [SPEC] });
  lab = api.on('lab');
});
afterAll(() => api.close());
beforeEach(async () => {
  id += 1;
  vm = `/nodes/n1/qemu/${id}`;
  expect(
    await lab.work('POST', '/nodes/n1/qemu', { vmid: String(id), scsi0: 'local-lvm:8', memory: '1024' }),
  ).toBe('OK');
});

const config = (path = vm) => lab.get(`${path}/config?current=1`);
const ct = async (): Promise<string> => {
  const ostemplate = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';
  const path = `/nodes/n1/lxc/${id + 1000}`;
  expect(
    await lab.work('POST', '/nodes/n1/lxc', { vmid: String(id + 1000), ostemplate, storage: 'local-lvm' }),
  ).toBe('OK');
  return path;
};

describe('the configuration of a running guest', () => {
  test('cold options wait, are reverted, and come with the next start', async () => {
    expect(await lab.work('POST', `${vm}/status/start`)).toBe('OK');
    await lab.call('PUT', `${vm}/config`, { cores: '4', memory: '2048', name: 'renamed' });
    expect(await config()).toMatchObject({ memory: '1024', name: 'renamed' });
    expect(await lab.rows(`${vm}/pending`)).toContainEqual({ key: 'cores', pending: 4 });
    await lab.call('PUT', `${vm}/config`, { revert: 'cores' });
    await lab.call('PUT', `${vm}/config`, { delete: 'memory' });
    expect(await lab.rows(`${vm}/pending`)).toContainEqual({ key: 'memory', value: '1024', delete: 1 });
    expect(await lab.work('POST', `${vm}/status/stop`)).toBe('OK');
    expect(await config()).not.toHaveProperty('memory');
    expect(await config()).not.toHaveProperty('cores');
  });

  test('a container takes memory at once, its features later', async () => {
    const path = await ct();
    expect(await lab.work('POST', `${path}/status/start`)).toBe('OK');
    await lab.call('PUT', `${path}/config`, { memory: '1024', features: 'nesting=1' });
    expect(await lab.get(`${path}/config?current=1`)).toMatchObject({ memory: 1024 });
    expect(await lab.rows(`${path}/pending`)).toContainEqual({ key: 'features', pending: 'nesting=1' });
    expect(await lab.work('POST', `${path}/status/suspend`)).toBe('OK');
    expect(await lab.work('POST', `${path}/status/resume`)).toBe('OK');
  });
});

test('each option asks for the privilege of its area', async () => {
  const { access } = lab.cluster.state;
  access.acl.push({ path: '/vms', ugid: 'mcp@pve!limited', role: 'PVEVMUser' });
  const limited = api.on('lab', true);
  expect((await limited.call('PUT', `${vm}/config`, { memory: '64' })).reason).toContain('VM.Config.Memory');
  expect((await limited.call('PUT', `${vm}/config`, { ciuser: 'debian' })).status).toBe(200);
  access.acl.pop();
});

describe('disks', () => {
  test('grow, and never shrink', async () => {
    expect(await lab.work('PUT', `${vm}/resize`, { disk: 'scsi0', size: '+512M' })).toBe('OK');
    expect((await config()).scsi0).toMatch(/,size=8704M$/);
    expect(await lab.work('PUT', `${vm}/resize`, { disk: 'scsi0', size: '20G' })).toBe('OK');
    expect((await config()).scsi0).toMatch(/,size=20G$/);
    expect((await lab.call('PUT', `${vm}/resize`, { disk: 'scsi0', size: '4G' })).reason).toBe(
      'shrinking disks is not supported',
    );
    expect((await lab.call('PUT', `${vm}/resize`, { disk: 'scsi5', size: '4G' })).reason).toBe(
      "disk 'scsi5' does not exist",
    );
  });

  test('move to another storage, and leave the old one unused unless told', async () => {
    expect(
      await lab.work('POST', `${vm}/move_disk`, { disk: 'scsi0', storage: 'nas', format: 'qcow2' }),
    ).toBe('OK');
    expect(await config()).toMatchObject({
      scsi0: `nas:${id}/vm-${id}-disk-0.qcow2,size=8G`,
      unused0: `local-lvm:vm-${id}-disk-0`,
    });
    expect((await lab.call('POST', `${vm}/move_disk`, { disk: 'scsi0', storage: 'nas' })).reason).toContain(
      'same storage',
    );
    expect(await lab.work('POST', `${vm}/move_disk`, { disk: 'scsi0', storage: 'thick', delete: '1' })).toBe(
      'OK',
    );
    expect(await lab.rows('/nodes/n1/storage/nas/content')).toEqual([]);
  });

  test('go to another guest of the node', async () => {
    await lab.call('PUT', `${vm}/config`, { scsi1: 'local-lvm:4' });
    const given = { disk: 'scsi1', 'target-vmid': '200', 'target-disk': 'scsi7' };
    expect(await lab.work('POST', `${vm}/move_disk`, given)).toBe('OK');
    expect(await config()).not.toHaveProperty('scsi1');
    expect((await config('/nodes/n1/qemu/200')).scsi7).toBe('local-lvm:vm-200-disk-1,size=4G');
    expect((await lab.call('POST', `${vm}/move_disk`, { ...given, disk: 'scsi0' })).reason).toContain(
      'already in use',
    );
  });

  test('are detached, attached again, and destroyed', async () => {
    await lab.call('PUT', `${vm}/unlink`, { idlist: 'scsi0' });
    const unused0 = String((await config()).unused0);
    expect(unused0).toBe(`local-lvm:vm-${id}-disk-0`);
    await lab.call('PUT', `${vm}/config`, { scsi3: unused0 });
    expect(await config()).toMatchObject({ scsi3: `${unused0},size=8G` });
    expect(await config()).not.toHaveProperty('unused0');
    await lab.call('PUT', `${vm}/unlink`, { idlist: 'scsi3', force: '1' });
    expect(await lab.rows(`/nodes/n1/storage/local-lvm/content?vmid=${id}`)).toEqual([]);
    expect((await lab.call('PUT', `${vm}/config`, { scsi3: unused0 })).reason).toBe(
      `volume '${unused0}' does not exist`,
    );
  });

  test('a full storage fails the task and leaves nothing', async () => {
    expect(await lab.work('POST', `${vm}/move_disk`, { disk: 'scsi0', storage: 'thick' })).toBe('OK');
    expect(await lab.work('PUT', `${vm}/resize`, { disk: 'scsi0', size: '90G' })).toMatch(
      /insufficient free space/,
    );
    const body = { vmid: '799', scsi0: 'thick:60' };
    expect(await lab.work('POST', '/nodes/n1/qemu', body)).toMatch(
      /Volume group "vg0" has insufficient free space/,
    );
    expect(lab.cluster.state.guests.has(799)).toBe(false);
  });
});

describe('clones, snapshots and suspension', () => {
  test('a linked clone keeps its template from being destroyed', async () => {
    const template = '/nodes/n1/qemu/9000';
    const body = { newid: String(id + 2000), name: 'linked' };
    const refused = { newid: '790', full: '0' };
    expect((await lab.call('POST', `${vm}/clone`, refused)).reason).toContain(
      'Linked clone feature is not supported',
    );
    expect((await lab.call('POST', `${template}/clone`, { ...body, storage: 'nas' })).errors).toHaveProperty(
      'storage',
    );
    expect(await lab.work('POST', `${template}/clone`, body)).toBe('OK');
    const rows = await lab.rows(`/nodes/n1/storage/local-lvm/content?vmid=${id + 2000}`);
    expect(rows[0]).toMatchObject({ parent: 'local-lvm:base-9000-disk-0' });
    expect(await lab.work('DELETE', template)).toBe(
      "base volume 'local-lvm:base-9000-disk-0' is still in use by linked cloned",
    );
    expect(await lab.work('DELETE', `/nodes/n1/qemu/${id + 2000}`)).toBe('OK');
    expect(lab.cluster.state.guests.has(9000)).toBe(true);
  });

  test('a snapshot with memory holds a volume, which goes with it', async () => {
    await lab.work('POST', `${vm}/status/start`);
    expect(await lab.work('POST', `${vm}/snapshot`, { snapname: 'warm', vmstate: '1' })).toBe('OK');
    const held = `local-lvm:vm-${id}-state-warm`;
    const volumes = async () =>
      (await lab.rows(`/nodes/n1/storage/local-lvm/content?vmid=${id}`)).map((row) => row.volid);
    expect(await volumes()).toContain(held);
    expect((await lab.get(`${vm}/snapshot/warm/config`)).vmstate).toBe(held);
    const remove = { disk: 'scsi0', storage: 'nas', delete: '1' };
    expect((await lab.call('POST', `${vm}/move_disk`, remove)).reason).toContain('with snapshots');
    expect(await lab.work('DELETE', `${vm}/snapshot/warm`)).toBe('OK');
    expect(await volumes()).not.toContain(held);
  });

  test('thick volumes have no snapshots', async () => {
    await lab.work('POST', `${vm}/move_disk`, { disk: 'scsi0', storage: 'thick', delete: '1' });
    expect(await lab.work('POST', `${vm}/snapshot`, { snapname: 'one' })).toBe(
      'snapshot feature is not available',
    );
    expect(await lab.get(`${vm}/feature?feature=snapshot`)).toMatchObject({ hasFeature: 0 });
  });

  test('suspended to disk it is locked and off until it is started', async () => {
    await lab.work('POST', `${vm}/status/start`);
    expect(await lab.work('POST', `${vm}/status/suspend`, { todisk: '1' })).toBe('OK');
    expect(await lab.get(`${vm}/status/current`)).toMatchObject({ status: 'stopped', lock: 'suspended' });
    expect((await lab.call('PUT', `${vm}/config`, { name: 'x' })).reason).toBe('VM is locked (suspended)');
    expect(await lab.work('POST', `${vm}/status/start`)).toBe('OK');
    expect(await config()).not.toHaveProperty('vmstate');
    expect(await lab.get(`${vm}/status/current`)).toMatchObject({ status: 'running' });
  });

  test('cloud-init: the drive shows what it was made from, and is made anew', async () => {
    await lab.call('PUT', `${vm}/config`, {
      ide2: 'local-lvm:cloudinit',
      ciuser: 'debian',
      ipconfig0: 'ip=dhcp',
    });
    expect((await config()).ide2).toBe(`local-lvm:vm-${id}-cloudinit,media=cdrom`);
    await lab.work('POST', `${vm}/status/start`);
    await lab.call('PUT', `${vm}/config`, { ciuser: 'admin', cipassword: 'hidden-word' });
    const rows = await lab.rows(`${vm}/cloudinit`);
    expect(rows).toContainEqual({ key: 'ciuser', value: 'debian', pending: 'admin' });
    expect(JSON.stringify(rows)).not.toContain('hidden-word');
    expect((await lab.call('PUT', `${vm}/cloudinit`)).data).toBeNull();
    expect(await lab.rows(`${vm}/cloudinit`)).toContainEqual({ key: 'ciuser', value: 'admin' });
    expect(await lab.get(`${vm}/cloudinit/dump?type=user`)).toContain('user: admin');
  });
});

describe('the guest agent', () => {
  const agent = '/nodes/n1/qemu/200/agent';

  test('is refused where there is none', async () => {
    expect((await lab.call('POST', `${vm}/agent/ping`)).reason).toBe('No QEMU guest agent configured');
    await lab.call('PUT', `${vm}/config`, { agent: 'enabled=1' });
    expect((await lab.call('POST', `${vm}/agent/ping`)).reason).toBe(`VM ${id} is not running`);
    await lab.work('POST', `${vm}/status/start`);
    await lab.work('POST', `${vm}/status/suspend`);
    expect((await lab.call('POST', `${vm}/agent/ping`)).reason).toBe('QEMU guest agent is not running');
  });

  test.each([
    ['info', { version: expect.any(String) }],
    ['network-get-interfaces', expect.arrayContaining([expect.objectContaining({ name: 'eth0' })])],
    ['get-osinfo', { id: 'debian' }],
    ['get-host-name', { 'host-name': 'agent' }],
    ['get-timezone', { zone: 'UTC' }],
    ['get-vcpus', [{ 'logical-id': 0 }]],
  ])('%s', async (command, result) => {
    expect(await lab.get(`${agent}/${command}`)).toMatchObject({ result });
    expect((await lab.call('POST', agent, { command })).data).toMatchObject({ result });
  });

  test('file systems are frozen and thawed', async () => {
    expect((await lab.call('POST', `${agent}/fsfreeze-freeze`)).data).toEqual({ result: 2 });
    expect((await lab.call('POST', `${agent}/fsfreeze-status`)).data).toEqual({ result: 'frozen' });
    await lab.call('POST', `${agent}/fsfreeze-thaw`);
    expect((await lab.call('POST', `${agent}/fsfreeze-status`)).data).toEqual({ result: 'thawed' });
  });

  const exec = async (...command: string[]) => {
    const { data } = await lab.call<{ pid: number }>('POST', `${agent}/exec`, { command });
    return { pid: data.pid, status: await lab.get(`${agent}/exec-status?pid=${data.pid}`) };
  };

  test.each([
    [['uname', '-a'], { exitcode: 0, 'out-data': expect.stringContaining('Linux agent') }],
    [['/bin/echo', 'two', 'words'], { exitcode: 0, 'out-data': 'two words\n' }],
    [['false'], { exitcode: 1 }],
    [['nonsense'], { exitcode: 127, 'err-data': expect.stringContaining('not found') }],
  ])('runs %j', async (command, status) => {
    expect((await exec(...command)).status).toMatchObject({ exited: 1, ...status });
  });

  test('a program that still runs has not exited, and its end is told once', async () => {
    expect((await exec('sleep', '60')).status).toEqual({ exited: 0 });
    const { pid } = await exec('true');
    expect((await lab.call('GET', `${agent}/exec-status?pid=${pid}`)).reason).toContain('does not exist');
  });

  test('files are written, read in part, and missed', async () => {
    await lab.call('POST', `${agent}/file-write`, { file: '/tmp/a', content: 'hello' });
    expect(await lab.get(`${agent}/file-read?file=/tmp/a`)).toEqual({ content: 'hello' });
    expect(await lab.get(`${agent}/file-read?file=/tmp/a&count=2`)).toEqual({ content: 'he', truncated: 1 });
    expect((await lab.call('GET', `${agent}/file-read?file=/tmp/b`)).reason).toContain('No such file');
    expect((await exec('cat', '/tmp/a')).status).toMatchObject({ 'out-data': 'hello' });
  });

  test('programs need the right to everything', async () => {
    const limited = api.on('lab', true);
    expect((await limited.call('POST', `${agent}/exec`, { command: ['id'] })).reason).toContain(
      'VM.GuestAgent.Unrestricted',
    );
  });
});

describe('migration inside the cluster', () => {
  test('says what stands in the way, and moves an offline guest with its disks', async () => {
    expect(await lab.get(`${vm}/migrate`)).toMatchObject({
      running: 0,
      allowed_nodes: ['n2', 'n3'],
      local_disks: [{ volid: `local-lvm:vm-${id}-disk-0`, cdrom: 0 }],
    });
    expect((await lab.call('POST', `${vm}/migrate`, { target: 'n1' })).errors).toHaveProperty('target');
    expect(await lab.work('POST', `${vm}/migrate`, { target: 'n2' })).toBe('OK');
    expect((await lab.call('GET', `${vm}/config`)).status).toBe(500);
    expect(await lab.rows(`/nodes/n2/storage/local-lvm/content?vmid=${id}`)).toHaveLength(1);
    expect(await lab.rows(`/nodes/n1/storage/local-lvm/content?vmid=${id}`)).toHaveLength(0);
  });

  test('a running one needs online, and with-local-disks', async () => {
    await lab.work('POST', `${vm}/status/start`);
    expect((await lab.call('POST', `${vm}/migrate`, { target: 'n2' })).reason).toContain('without --online');
    const { data: upid } = await lab.call('POST', `${vm}/migrate`, { target: 'n2', online: '1' });
    expect(await lab.finish(upid)).toBe('migration aborted');
    expect(await lab.log(upid)).toContain('with-local-disks');
    const body = { target: 'n2', online: '1', 'with-local-disks': '1', targetstorage: 'nas' };
    expect(await lab.work('POST', `${vm}/migrate`, body)).toBe('OK');
    expect(await lab.get(`/nodes/n2/qemu/${id}/status/current`)).toMatchObject({ status: 'running' });
    expect((await config(`/nodes/n2/qemu/${id}`)).scsi0).toMatch(/^nas:/);
  });

  test('a storage the target has not, a host device, an offline node', async () => {
    await lab.work('POST', `${vm}/move_disk`, { disk: 'scsi0', storage: 'thick', delete: '1' });
    expect(
      (await lab.get<{ not_allowed_nodes: Record<string, unknown> }>(`${vm}/migrate`)).not_allowed_nodes.n2,
    ).toEqual({
      unavailable_storages: ['thick'],
    });
    expect(await lab.work('POST', `${vm}/migrate`, { target: 'n2' })).toBe('migration aborted');
    await lab.call('PUT', `${vm}/config`, { usb0: 'host=1-2' });
    expect((await lab.get(`${vm}/migrate`)).local_resources).toEqual(['usb0']);
    const [, , third] = lab.cluster.state.nodes;
    if (third) third.online = false;
    expect(await lab.work('POST', `${vm}/migrate`, { target: 'n3' })).toContain(
      "Can't connect to destination",
    );
    if (third) third.online = true;
    expect(await lab.get(`${vm}/status/current`)).not.toHaveProperty('lock');
  });

  test('a running container is only restarted on the other node', async () => {
    const path = await ct();
    await lab.work('POST', `${path}/status/start`);
    expect((await lab.call('POST', `${path}/migrate`, { target: 'n2' })).reason).toBe(
      'lxc live migration is currently not implemented',
    );
    expect(await lab.work('POST', `${path}/migrate`, { target: 'n2', restart: '1' })).toBe('OK');
    expect(await lab.get(`${path.replace('n1', 'n2')}/status/current`)).toMatchObject({ status: 'running' });
  });
});

describe('many guests at once', () => {
  test('a node is stopped, started and emptied', async () => {
    const vms = String(id);
    expect(await lab.work('POST', '/nodes/n1/startall', { vms })).toBe('OK');
    expect(await lab.get(`${vm}/status/current`)).toMatchObject({ status: 'running' });
    expect(await lab.work('POST', '/nodes/n1/suspendall', { vms })).toBe('OK');
    expect(await lab.get(`${vm}/status/current`)).toMatchObject({ qmpstatus: 'paused' });
    expect(await lab.work('POST', '/nodes/n1/stopall', { vms })).toBe('OK');
    expect(await lab.work('POST', '/nodes/n1/migrateall', { target: 'n3', vms })).toBe('OK');
    expect(await lab.get(`/nodes/n3/qemu/${id}/status/current`)).toMatchObject({ status: 'stopped' });
    expect(await lab.work('POST', '/cluster/bulk-action/guest/start', { vms: [vms, '200'] })).toBe('OK');
    expect(await lab.get(`/nodes/n3/qemu/${id}/status/current`)).toMatchObject({ status: 'running' });
  });

  test('one that is locked fails the task, not the others', async () => {
    const guest = lab.cluster.state.guests.get(id);
    if (guest) guest.lock = 'backup';
    const { data: upid } = await lab.call('POST', '/nodes/n1/startall', { vms: String(id) });
    expect(await lab.finish(upid)).toContain(String(id));
    expect(await lab.log(upid)).toContain('VM is locked (backup)');
  });

  test('without the right to a guest: 403', async () => {
    const limited = api.on('lab', true);
    expect((await limited.call('POST', '/nodes/n1/stopall', { vms: '200' })).reason).toContain(
      '/vms/200, VM.PowerMgmt',
    );
  });
});

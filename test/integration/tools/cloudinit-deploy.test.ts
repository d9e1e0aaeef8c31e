import { describe, expect, it } from 'vitest';
import { downloadDigest, downloadSize } from '../../../src/simulator/methods/storage/files.ts';
import { policyWith } from '../../support/gate.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from '../../support/tool-client.ts';

const URL = 'https://cloud.example.org/noble-server-cloudimg-amd64.img';
const VOLID = 'local:import/noble-server-cloudimg-amd64.qcow2';
const KEY = `ssh-ed25519 ${'AAAAC3NzaC1lZDI1NTE5AAAAI'.padEnd(68, 'x')} ada@example.org`;

const ARGS = {
  name: 'fresh-01',
  image: URL,
  checksum: downloadDigest(URL, 'sha256'),
  vmid: 4000,
  node: 'pve1',
  storage: 'local-lvm',
  disk: '20G',
  user: 'ada',
  password: 'canary-deploy-password',
  ssh_keys: [KEY],
  ip: '192.0.2.77/24',
  gw: '192.0.2.1',
  nameservers: ['192.0.2.53'],
  wait_seconds: 10,
};

const client = (options: ToolClientOptions = {}) => toolClient({ clusters: ['production'], ...options });
const pathsOf = ({ writes }: ToolClient) =>
  writes().map(({ path }) => path.replace('/api2/json/nodes/pve1', ''));
const WRITES = ['/storage/local/download-url', '/qemu', '/qemu/4000/resize', '/qemu/4000/status/start'];

describe('deploy_cloud_image', () => {
  it('goes from a URL to a running VM that answers with the address it was given', async () => {
    const one = await client();
    const answer = await one.call('deploy_cloud_image', ARGS);
    expect(answer).toMatchObject({
      guest: { vmid: 4000, name: 'fresh-01', type: 'qemu', node: 'pve1' },
      image: VOLID,
      status: 'ready',
      addresses: ['192.0.2.77'],
    });
    expect(answer.done).toHaveLength(4);
    expect(answer.note).toBeUndefined();
    expect(JSON.stringify(answer)).not.toContain('canary');
    expect(pathsOf(one)).toEqual(WRITES);
    const guest = one.production.state.guests.get(4000);
    expect(guest).toMatchObject({ status: 'running', node: 'pve1' });
    expect(guest?.config).toMatchObject({
      name: 'fresh-01',
      agent: 'enabled=1',
      serial0: 'socket',
      vga: 'serial0',
      boot: 'order=scsi0',
      ciuser: 'ada',
      cipassword: 'canary-deploy-password',
      ipconfig0: 'ip=192.0.2.77/24,gw=192.0.2.1',
      nameserver: '192.0.2.53',
    });
    expect(decodeURIComponent(String(guest?.config.sshkeys))).toBe(KEY);
    expect(String(guest?.config.scsi0)).toMatch(/^local-lvm:vm-4000-disk-0,.*size=20G$/);
    expect(String(guest?.config.ide2)).toContain('vm-4000-cloudinit');
    expect(one.production.state.volumes.find(({ volid }) => volid === VOLID)?.size).toBe(downloadSize(URL));
  });

  it('takes the next free VMID, DHCP and an image that is there, and says that nobody can log in', async () => {
    const one = await client();
    await one.call('download_to_storage', { url: URL, content: 'import', node: 'pve1' });
    const args = { name: 'fresh-02', image: VOLID, storage: 'local-lvm', wait_seconds: 5 };
    const answer = await one.call('deploy_cloud_image', args);
    expect(answer.status).toBe('ready');
    expect(answer.addresses[0]).toMatch(/^198\.51\.100\./);
    expect(answer.guest.node).toBe('pve1');
    expect(answer.note).toContain('No SSH key and no password');
    expect(one.production.state.guests.get(answer.guest.vmid)?.config.name).toBe('fresh-02');
    // As large as the image: nothing was resized.
    expect(one.writes().some(({ path }) => path.endsWith('/resize'))).toBe(false);
  });

  it('asks once, before the first write, for all of them', async () => {
    const one = await client({ gateOptions: { policy: policyWith('self') } });
    const { plan } = await one.refused('deploy_cloud_image', ARGS);
    expect(plan.calls.map(({ method }: { method: string }) => method)).toEqual([
      'GET',
      'POST',
      'POST',
      'PUT',
      'POST',
    ]);
    expect(JSON.stringify(plan)).not.toContain('canary');
    expect(one.writes()).toEqual([]);
    const answer = await one.call('deploy_cloud_image', { ...ARGS, handle: plan.handle });
    expect(answer.status).toBe('ready');
    expect(pathsOf(one)).toEqual(WRITES);
  });

  it('never makes a second VM of the name, and takes the image of an attempt that broke off', async () => {
    const one = await client();
    const fault = one.production.faults.add({
      kind: 'task-error',
      message: 'no space left',
      match: /POST .*qemu$/,
    });
    const broken = await one.refused('deploy_cloud_image', ARGS);
    expect(broken).toMatchObject({ code: 'TASK_FAILED', retryable: false });
    expect(broken.message).toContain('While creating the VM');
    expect(broken.message).toContain('no space left');
    expect(broken.hint).toContain(`the image was downloaded to ${VOLID}`);
    expect(broken.hint).toContain('Nothing was deleted');
    await fault.remove();
    one.production.state.guests.delete(4000);
    // Somebody else may have put it there: where a checksum is given, none is taken that nobody compared.
    const unchecked = await one.refused('deploy_cloud_image', ARGS);
    expect(unchecked).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('checksum') });
    expect(unchecked.hint).toContain(`image="${VOLID}"`);
    const both = await one.refused('deploy_cloud_image', { ...ARGS, image: VOLID });
    expect(both).toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining('checksum') });
    const answer = await one.call('deploy_cloud_image', { ...ARGS, checksum: undefined });
    expect(answer).toMatchObject({ status: 'ready' });
    expect(answer.note).toContain('was there already');
    const count = one.writes().length;
    const again = await one.refused('deploy_cloud_image', { ...ARGS, vmid: undefined });
    expect(again).toMatchObject({ code: 'CONFLICT' });
    expect(again.message).toContain('4000');
    expect(again.hint).toContain('earlier call');
    expect(one.writes()).toHaveLength(count);
  });

  it('says of a failure in the middle what is left behind, and deletes nothing', async () => {
    const one = await client();
    one.production.faults.add({
      kind: 'status',
      code: 500,
      message: 'start failed: KVM',
      match: /4000\/status\/start/,
    });
    const error = await one.refused('deploy_cloud_image', ARGS);
    expect(error.message).toContain('While starting the VM: ');
    expect(error.message).toContain('start failed: KVM');
    expect(error.hint).toContain('VM 4000 was created on pve1; its disk was grown to 20 GiB');
    expect(error.hint).toContain('VM 4000 (fresh-01) on pve1, stopped (delete_guest removes it)');
    expect(error.hint).toContain(`the image ${VOLID}`);
    expect(one.writes().some(({ method }) => method === 'DELETE')).toBe(false);
    expect(one.production.state.guests.get(4000)?.status).toBe('stopped');
  });

  it('says so where the agent does not answer in time', async () => {
    const one = await client();
    one.production.faults.add({
      kind: 'status',
      code: 500,
      message: 'QEMU guest agent is not running',
      match: /agent\//,
    });
    const answer = await one.call('deploy_cloud_image', { ...ARGS, wait_seconds: 1 });
    expect(answer).toMatchObject({ status: 'no_agent' });
    expect(answer.note).toContain('QEMU guest agent is not running');
    expect(answer.note).toContain('cicustom');
    expect(one.production.state.guests.get(4000)?.status).toBe('running');
  });

  it('waits for an agent that comes up late', async () => {
    const one = await client();
    one.production.faults.add({
      ...{ kind: 'status', code: 500, message: 'not running' },
      match: /agent\//,
      times: 1,
    });
    expect(await one.call('deploy_cloud_image', ARGS)).toMatchObject({
      status: 'ready',
      addresses: ['192.0.2.77'],
    });
  });

  it('stops at a step that takes longer than it may wait, and names what is left', async () => {
    const one = await client({ simulator: { taskSeconds: 30 } });
    const answer = await one.call('deploy_cloud_image', { ...ARGS, wait_seconds: 1 });
    expect(answer).toMatchObject({ status: 'unfinished', done: [], task: { status: 'running' } });
    expect(answer.left[0]).toBe('downloading the image (runs)');
    expect(answer.note).toContain('repeat this call');
    expect(pathsOf(one)).toEqual(WRITES.slice(0, 1));
  });

  it('tells how far it is', async () => {
    const one = await client();
    const messages: string[] = [];
    const amounts: number[] = [];
    await one.client.callTool({ name: 'deploy_cloud_image', arguments: ARGS }, undefined, {
      onprogress: ({ progress, message }) => {
        amounts.push(progress);
        messages.push(message ?? '');
      },
    });
    expect(messages[0]).toBe('1 of 5: downloading the image');
    expect(messages.at(-1)).toBe('5 of 5: waiting for the guest agent');
    expect(amounts).toEqual([...amounts].sort((a, b) => a - b));
  });

  it('refuses what is wrong before anything leaves', async () => {
    const { refused, writes } = await client();
    const cases: [Record<string, unknown>, string][] = [
      [{ image: 'https://cloud.example.org/appliance.ova' }, 'An OVA'],
      [{ image: 'https://cloud.example.org/page' }, 'must end in'],
      [{ image: 'local:iso/debian-13.1.0-amd64-netinst.iso' }, 'no disk image'],
      [{ image: 'local:import/none.qcow2' }, 'no volume'],
      [{ vmid: 100 }, 'the VMID 100'],
      [{ name: 'web-01' }, 'the name "web-01"'],
      [{ ip: '192.0.2.77' }, '192.0.2.10/24'],
      [{ ip: 'dhcp' }, 'needs a fixed ip'],
      [{ storage: 'local' }, 'no images'],
      [{ image_storage: 'nas' }, 'no import'],
      [{ disk: '20' }, 'unit'],
      [{ ssh_keys: ['canary'] }, 'no public SSH key'],
    ];
    for (const [args, message] of cases) {
      const error = await refused('deploy_cloud_image', { ...ARGS, ...args });
      expect(`${error.message} ${error.hint}`, message).toContain(message);
      expect(JSON.stringify(error)).not.toContain('canary');
    }
    expect(writes()).toEqual([]);
  });
});

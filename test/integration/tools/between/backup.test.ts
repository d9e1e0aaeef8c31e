import { describe, expect, it } from 'vitest';
import { LOCAL_STORAGES } from '../../../../src/simulator/estate.ts';
import { type BetweenClient, betweenClient, share } from '../../../support/backup-to-cluster.ts';

const TOOL = 'backup_guest_to_cluster';
const guestOf = ({ simulator }: BetweenClient, cluster: string, vmid: number) =>
  simulator.cluster(cluster).state.guests.get(vmid);
const backups = (client: BetweenClient) =>
  client.simulator.cluster('home').state.volumes.filter(({ content }) => content === 'backup');

describe('check', () => {
  it('reads alone, and says where the guest would go', async () => {
    const client = await betweenClient();
    const answer = await client.check({ name: 'idle' });
    expect(answer).toMatchObject({
      ...{ cluster: 'home', to: 'away', subject: 'VM 201 (idle) of home', status: 'ready' },
      common_storages: [{ source: 'dumps', target: 'from-home', backend: 'NFS 192.0.2.9:/export/dumps' }],
      copy: {
        vmid: 201,
        name: 'idle',
        node: 'a1',
        storage: 'disks',
        disk_bytes: 4 * 1024 ** 3,
        bridges: { vmbr0: 'vmbr0' },
      },
      saved: { memory: '512' },
    });
    expect(client.sent()).toEqual([]);
    expect(await client.text(TOOL, { cluster: 'home', name: 'idle', to: 'away' })).toBe(
      'VM 201 (idle) of home can go to away as 201 on a1. action=start shows the plan. The copy stays stopped.',
    );
  });

  it('takes another VMID where that of the guest is taken there', async () => {
    const client = await betweenClient();
    const { copy, findings } = await client.check({ vmid: 300 });
    expect(copy).toMatchObject({ vmid: 100, name: 'same-vmid' });
    expect(findings).toBeUndefined();
  });

  it('tells the ways that remain where the clusters share no storage', async () => {
    const client = await betweenClient();
    const answer = await client.check({ name: 'idle', to: 'lonely' });
    expect(answer.status).toBe('blocked');
    expect(answer.ways).toEqual([
      expect.stringContaining('migrate_guest_between_clusters with to=lonely'),
      expect.stringMatching(
        /create_storage type=nfs there with server 192\.0\.2\.9, export "\/export\/dumps"/,
      ),
      expect.stringContaining('PBS'),
    ]);
    expect(client.sent()).toEqual([]);
  });

  it('warns of what does not come along', async () => {
    const client = await betweenClient();
    const { findings, copy } = await client.check({ name: 'shop' });
    expect(copy.sets).toEqual({
      net0: 'virtio,bridge=vmbr0,firewall=1',
      ide2: 'none,media=cdrom',
      onboot: 0,
    });
    expect(findings).toMatchObject([{ severity: 'warns', what: expect.stringContaining('pool shops') }]);
  });
});

describe('a copy', () => {
  it('is restored stopped, beside an original that nothing happens to', async () => {
    const client = await betweenClient();
    const before = JSON.stringify(guestOf(client, 'home', 200)?.config);
    const answer = await client.start({ name: 'shop' });
    expect(answer).toMatchObject({
      ...{ status: 'copied', copy: { vmid: 200, node: 'a1', name: 'shop', storage: 'disks' } },
      backup: expect.stringMatching(/^from-home:backup\/vzdump-qemu-200-/),
      verified: ['1 disk', '1 NIC on its bridges', 'cores', 'memory'],
    });
    expect(client.sent()).toEqual([
      'home POST /nodes/h1/vzdump',
      'away POST /nodes/a1/qemu',
      'away PUT /nodes/a1/qemu/200/config',
    ]);
    const [restore] = client.requestsOf('away', '/qemu');
    expect(restore?.params).toEqual({
      ...{ vmid: '200', archive: answer.backup, name: 'shop', storage: 'disks', unique: '1' },
    });
    const [vzdump] = client.requestsOf('home', '/vzdump');
    expect(vzdump?.params).toMatchObject({ vmid: '200', storage: 'dumps', mode: 'snapshot', remove: '0' });
    const [source, copy] = [guestOf(client, 'home', 200), guestOf(client, 'away', 200)];
    expect(source?.status).toBe('running');
    expect(JSON.stringify(source?.config)).toBe(before);
    expect(copy).toMatchObject({ status: 'stopped', config: { onboot: 0, ide2: 'none,media=cdrom' } });
    expect(String(copy?.config.net0)).toMatch(
      /^virtio=(?!BC:24:11:00:00:01)[0-9A-F:]{17},bridge=vmbr0,firewall=1$/,
    );
    expect(String(copy?.config.scsi0)).toContain('disks:');
  });

  it('takes addresses, bridges, a name, a VMID, a node and a storage as they are given', async () => {
    const client = await betweenClient();
    const answer = await client.start({
      ...{ name: 'shop', target_vmid: 900, target_node: 'a1', storage: 'disks', new_name: 'shop-copy' },
      ...{ bridge_map: { vmbr7: 'vmbr0' }, addresses: [{ ip: '198.51.100.9/24', gw: '198.51.100.1' }] },
    });
    expect(answer.copy).toMatchObject({ vmid: 900, name: 'shop-copy' });
    expect(guestOf(client, 'away', 900)?.config).toMatchObject({
      name: 'shop-copy',
      ipconfig0: 'ip=198.51.100.9/24,gw=198.51.100.1',
    });
  });

  it('of a container has new addresses on its NIC, and a MAC of its own', async () => {
    const client = await betweenClient();
    const answer = await client.start({ name: 'dns', addresses: [{ nic: 'net0', ip: '198.51.100.53/24' }] });
    expect(answer).toMatchObject({ status: 'copied', subject: 'Container 210 (dns) of home' });
    const [restore] = client.requestsOf('away', '/lxc');
    expect(restore?.params).toMatchObject({ restore: '1', unique: '1', storage: 'disks', hostname: 'dns' });
    expect(restore?.params).not.toHaveProperty('force');
    const nic = String(guestOf(client, 'away', 210)?.config.net0);
    expect(nic).toContain('ip=198.51.100.53/24');
    expect(nic).not.toContain('gw=');
    expect(nic).not.toContain('BC:24:11:00:00:02');
  });

  it('shows a plan that says what happens in which order, and how old the backup is', async () => {
    const client = await betweenClient();
    const { code, message } = await client.startRefused({ name: 'shop' });
    expect(code).toBe('APPROVAL_REQUIRED');
    for (const words of [
      /POST \/nodes\/a1\/qemu vmid=200 archive=from-home:backup\/vzdump-qemu-200-\S+ name=shop storage=disks unique=true/,
      /PUT \/nodes\/a1\/qemu\/200\/config/,
      /is restored: made \S+, 0 minutes ago; what the guest wrote since is not in it/,
      /disks of 4 GiB on disks, bridges vmbr7 as vmbr0, with new MAC addresses\. Nothing is overwritten/,
      /stays stopped/,
      /VM 200 \(shop\) of home stays as it is/,
      /Its pool shops, permissions, HA, replication and backup jobs do not come along/,
      /^Done so far: Its backup is from-home:/,
    ])
      expect(message).toMatch(words);
    expect(client.requestsOf('away', '/')).toEqual([]);
  });

  it('is not made of a second backup where the plan waited', async () => {
    const client = await betweenClient();
    await client.startRefused({ name: 'idle' });
    await client.startRefused({ name: 'idle' });
    expect(await client.check({ name: 'idle' })).toMatchObject({
      note: expect.stringMatching(/^Run 1 of .* is open/),
    });
    await client.start({ name: 'idle' });
    expect(client.requestsOf('home', '/vzdump')).toHaveLength(1);
    expect(client.requestsOf('away', '/qemu')).toHaveLength(1);
    expect(backups(client)).toHaveLength(1);
  });
});

describe('a move', () => {
  it('shuts the source down, backs it up, and starts the copy at the end: both never run', async () => {
    const client = await betweenClient();
    const plan = await client.startRefused({ name: 'shop', stop_source: true });
    expect(plan.code).toBe('APPROVAL_REQUIRED');
    expect(plan.message).toMatch(
      /First VM 200 \(shop\) of home is shut down; it stays down, and is not deleted/,
    );
    expect(client.sent()).toEqual([]);
    const answer = await client.start({ name: 'shop', stop_source: true });
    expect(answer.status).toBe('running');
    expect(client.sent()).toEqual([
      'home POST /nodes/h1/qemu/200/status/shutdown',
      'home POST /nodes/h1/vzdump',
      'away POST /nodes/a1/qemu',
      'away PUT /nodes/a1/qemu/200/config',
      'away POST /nodes/a1/qemu/200/status/start',
    ]);
    expect(guestOf(client, 'home', 200)?.status).toBe('stopped');
    expect(guestOf(client, 'away', 200)).toMatchObject({ status: 'running', config: { onboot: 1 } });
  });

  it('does not start the copy beside a source that somebody has started since, and does once it is down', async () => {
    const client = await betweenClient();
    const args = { name: 'shop', stop_source: true };
    const first = await client.startRefused(args);
    const second = await client.refused(TOOL, {
      cluster: 'home',
      to: 'away',
      ...args,
      action: 'start',
      handle: first.plan.handle,
    });
    const source = guestOf(client, 'home', 200);
    if (source) source.status = 'running';
    const started = await client.startRefused(args);
    expect(started).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('The source is running'),
    });
    if (source) source.status = 'stopped';
    const { plan } = await client.startRefused(args);
    // It is started while the plan is looked at, and the restore takes its time: right before the start it is asked again.
    const away = client.simulator.cluster('away');
    away.faults.add({ kind: 'slow', ms: 300, match: /^PUT .*config$/ });
    const going = client.call(TOOL, {
      cluster: 'home',
      to: 'away',
      ...args,
      action: 'start',
      handle: plan.handle,
    });
    while (client.requestsOf('away', '/config').length === 0)
      await new Promise((done) => setTimeout(done, 5));
    if (source) source.status = 'running';
    const answer = await going;
    expect(second.code).toBe('APPROVAL_REQUIRED');
    expect(answer).toMatchObject({
      status: 'unfinished',
      left: [expect.stringContaining('200 of home is running')],
    });
    expect(client.sent()).not.toContain('away POST /nodes/a1/qemu/200/status/start');
    if (source) source.status = 'stopped';
    expect(await client.start(args)).toMatchObject({ status: 'running' });
    expect(client.requestsOf('away', '/qemu').map(({ path }) => path)).toHaveLength(3);
  });

  it('waits for HA, which shuts the source down in its own time', async () => {
    const client = await betweenClient();
    await client.call('save_ha_resource', { cluster: 'home', vmid: 200 });
    const { findings } = await client.check({ name: 'shop', stop_source: true });
    expect(findings).toContainEqual(
      expect.objectContaining({ what: expect.stringContaining('under HA on home') }),
    );
    expect(await client.start({ name: 'shop', stop_source: true })).toMatchObject({ status: 'running' });
    expect(guestOf(client, 'home', 200)?.status).toBe('stopped');
  });

  it('refuses to make a running copy twice', async () => {
    const client = await betweenClient();
    await client.start({ name: 'idle', start: true });
    const sent = client.sent().length;
    const again = await client.startRefused({ name: 'idle', start: true });
    expect(again).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('away has the copy 201 of it already'),
    });
    expect(client.sent()).toHaveLength(sent);
  });
});

describe('a restore only', () => {
  it('takes a backup that is there, and no new one', async () => {
    const client = await betweenClient();
    await client.startRefused({ name: 'idle' });
    const volid = `from-home:${String(backups(client)[0]?.volid).split(':')[1]}`;
    const args = { volid, to: 'away', new_name: 'from-backup' };
    const { status, subject } = await client.call(TOOL, args);
    expect({ status, subject }).toEqual({ status: 'ready', subject: `The guest in ${volid}` });
    const answer = await client.start({ ...args, cluster: undefined });
    expect(answer).toMatchObject({
      status: 'copied',
      backup: volid,
      copy: { vmid: 201, name: 'from-backup' },
    });
    expect(client.requestsOf('home', '/vzdump')).toHaveLength(1);
  });

  it('starts the copy only where the guest that it is of is seen to be down', async () => {
    const client = await betweenClient();
    await client.startRefused({ name: 'shop' });
    const volid = `from-home:${String(backups(client)[0]?.volid).split(':')[1]}`;
    const unknown = await client.startRefused({ volid, cluster: undefined, start: true });
    expect(unknown.message).toContain('Whether the guest of this backup runs anywhere is not known');
    const up = await client.startRefused({ volid, start: true });
    expect(up.message).toContain('The source is running');
    const other = await client.startRefused({ volid, vmid: 201 });
    expect(other.message).toContain('The backup is of qemu 200, and the guest named is qemu 201');
    const nobody = await client.startRefused({ volid, vmid: 299 });
    expect(nobody.code).toBe('NOT_FOUND');
    expect(client.requestsOf('away', '/')).toEqual([]);
  });

  it('takes a backup whose guest is gone, and does not start the copy', async () => {
    const client = await betweenClient();
    await client.startRefused({ name: 'idle' });
    const volid = `from-home:${String(backups(client)[0]?.volid).split(':')[1]}`;
    client.simulator.cluster('home').state.guests.delete(201);
    expect(await client.start({ volid })).toMatchObject({ status: 'copied', copy: { vmid: 201 } });
  });
});

describe('what was begun', () => {
  it('goes on behind a call whose time was over, and sends nothing twice', async () => {
    const client = await betweenClient({ simulator: { taskSeconds: 2 } });
    const args = { name: 'idle', wait_seconds: 0 };
    const first = await client.start(args);
    expect(first).toMatchObject({
      ...{ status: 'unfinished', task: { status: 'running' } },
      left: ['the rest of the backup', 'the restore'],
      note: 'Repeating this call goes on with run 1; it sends nothing twice.',
    });
    let answer = first;
    for (let calls = 0; answer.status === 'unfinished' && calls < 10; calls += 1)
      answer = await client.start(args);
    expect(answer.status).toBe('copied');
    expect(client.sent()).toEqual(['home POST /nodes/h1/vzdump', 'away POST /nodes/a1/qemu']);
  });

  it('is dropped by forget, which deletes nothing', async () => {
    const client = await betweenClient();
    await client.startRefused({ name: 'idle' });
    const sent = client.sent();
    const dropped = await client.check({ name: 'idle', action: 'forget' });
    expect(dropped).toMatchObject({
      status: 'forgotten',
      note: expect.stringContaining('Its backup is from-home:'),
    });
    expect(client.sent()).toEqual(sent);
    await client.start({ name: 'idle' });
    expect(client.requestsOf('home', '/vzdump')).toHaveLength(2);
    expect(await client.check({ name: 'idle', action: 'forget' })).toMatchObject({
      note: 'Nothing was begun.',
    });
  });

  it('says what is left where once the restore has failed, and goes on with the same backup', async () => {
    const client = await betweenClient();
    const away = client.simulator.cluster('away');
    const fault = away.faults.add({
      kind: 'task-error',
      match: /^POST \/nodes\/a1\/qemu$/,
      message: 'no space left',
    });
    const failed = await client.start({ name: 'idle' }).catch((error: Error) => JSON.parse(error.message));
    expect(failed).toMatchObject({ code: 'TASK_FAILED', cluster: 'away' });
    expect(failed.hint).toMatch(
      /Its backup is from-home:\S+ on away\..*The restore of 201 on away was begun and failed/,
    );
    await fault.remove();
    expect(await client.start({ name: 'idle' })).toMatchObject({ status: 'copied' });
    expect(client.requestsOf('home', '/vzdump')).toHaveLength(1);
  });

  it('says so where the backup failed, and nothing is on the target', async () => {
    const client = await betweenClient();
    client.simulator
      .cluster('home')
      .faults.add({ kind: 'task-error', match: /vzdump$/, message: 'broken pipe' });
    const failed = await client.startRefused({ name: 'idle' });
    expect(failed).toMatchObject({ code: 'TASK_FAILED', cluster: 'home' });
    expect(client.requestsOf('away', '/')).toEqual([]);
  });

  it('leaves a guest alone that has the VMID of the copy by now', async () => {
    const client = await betweenClient();
    const away = client.simulator.cluster('away');
    const fault = away.faults.add({
      kind: 'status',
      match: /^PUT .*config$/,
      code: 500,
      message: 'no quorum',
    });
    const failed = await client.start({ name: 'shop' }).catch((error: Error) => JSON.parse(error.message));
    expect(failed.hint).toContain('200 of away is restored, and not started.');
    await fault.remove();
    const copy = guestOf(client, 'away', 200);
    if (copy) copy.config.name = 'somebody-else';
    const sent = client.sent();
    const error = await client.startRefused({ name: 'shop' });
    expect(error).toMatchObject({
      code: 'CONFLICT',
      message: '200 of away is somebody-else, and not the copy shop.',
    });
    expect(client.sent()).toEqual(sent);
  });

  it('waits for a storage that shows the backup late', async () => {
    const client = await betweenClient();
    const content = /^GET .*from-home\/content/;
    client.simulator.cluster('away').faults.add({ kind: 'proxy-error', match: content, times: 1 });
    expect(await client.start({ name: 'idle' })).toMatchObject({ status: 'copied' });
    expect(client.requestsOf('home', '/vzdump')).toHaveLength(1);
  });

  it('finds the backup again whose answer was lost', async () => {
    const client = await betweenClient();
    client.simulator
      .cluster('home')
      .faults.add({ kind: 'commit-then-close', match: /^POST .*vzdump$/, times: 1 });
    const lost = await client.startRefused({ name: 'idle' });
    expect(lost.hint).toContain('Repeating the call goes on with run 1');
    expect(await client.start({ name: 'idle' })).toMatchObject({ status: 'copied' });
    expect(client.requestsOf('home', '/vzdump')).toHaveLength(1);
    expect(backups(client)).toHaveLength(1);
  });
});

it('warns of a target with an older Proxmox VE', async () => {
  const client = await betweenClient();
  const { state } = client.simulator.cluster('away');
  state.release = { ...state.release, version: '8.4.1' };
  const { findings } = await client.check({ name: 'idle' });
  expect(findings).toContainEqual({
    severity: 'warns',
    what: expect.stringMatching(/^away has Proxmox VE 8\.4\.1, and home 9\.2\.11: /),
    do: expect.any(String),
  });
});

it('warns where both keep backups of equal VMIDs in one namespace of a PBS', async () => {
  const pbs = (storage: string, user: string) =>
    share(storage, {
      type: 'pbs',
      options: { server: 'pbs.test', datastore: 'main', username: user },
    });
  const nodes = [{ name: 'n1' }];
  const client = await betweenClient({
    simulator: {
      clusters: [
        {
          name: 'home',
          nodes,
          storages: [...LOCAL_STORAGES, pbs('vault', 'home@pbs')],
          guests: [{ vmid: 201, type: 'qemu', node: 'n1', name: 'idle' }],
        },
        { name: 'away', nodes, storages: [...LOCAL_STORAGES, pbs('safe', 'away@pbs')], guests: [] },
      ],
    },
  });
  const { findings, common_storages } = await client.check({ name: 'idle' });
  expect(common_storages).toMatchObject([{ backend: 'PBS pbs.test, datastore main' }]);
  expect(findings.map(({ what }: { what: string }) => what)).toEqual([
    expect.stringContaining('share one group of backups'),
    expect.stringContaining('log in to PBS as different users'),
  ]);
});

import { describe, expect, it } from 'vitest';
import { snapshotBefore, stepEnded } from '../../../src/access/snapshot-first.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const UPID = 'UPID:pve1:0000ABCD:00112233:66112233:qmsnapshot:100:root@pam:';

function snapshotOf(line: string, snapshotFirst: string | undefined = 'one') {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  return snapshotBefore({ method, path: parseApiPath(path), snapshotFirst });
}

describe('the snapshot before a call', () => {
  it.each([
    ['PUT /nodes/pve1/qemu/100/config', '/nodes/pve1/qemu/100/snapshot'],
    ['POST /nodes/pve2/lxc/200/status/stop', '/nodes/pve2/lxc/200/snapshot'],
    ['POST /nodes/pve1/qemu/100', '/nodes/pve1/qemu/100/snapshot'],
    ['DELETE /nodes/pve1/qemu/100/snapshot/old', '/nodes/pve1/qemu/100/snapshot'],
  ])('of %s is taken of its guest', (line, path) => {
    expect(snapshotOf(line)).toEqual({ method: 'POST', path: parseApiPath(path), data: { snapname: 'one' } });
  });

  it('is none where none is asked for, whatever the call', () => {
    const path = parseApiPath('/cluster/options');
    expect(snapshotBefore({ method: 'PUT', path })).toBeUndefined();
  });

  it.each([
    'GET /nodes/pve1/qemu/100/config',
    'PUT /cluster/options',
    'POST /pools/pve1/qemu/100/x',
    'POST /nodes/pve1/storage/local/content',
    'POST /nodes/pve1/qemu',
    'DELETE /nodes/pve1/lxc',
  ])('goes with no call like %s', (line) => {
    const message =
      'snapshot_first goes with a change of one guest, whose VMID stands in `path`; nothing was sent.';
    const hint = 'Leave `snapshot_first` out.';
    expect(() => snapshotOf(line)).toThrow(new CallError('INVALID_ARGUMENTS', message, { hint }));
  });

  it('is of no use to a guest that is destroyed', () => {
    for (const type of ['qemu', 'lxc']) {
      expect(() => snapshotOf(`DELETE /nodes/pve1/${type}/100`)).toThrow('a guest’s snapshots go with it');
    }
  });
});

describe('the end of a snapshot', () => {
  const { signal } = new AbortController();

  function ends(answers: unknown[], data: unknown = UPID) {
    const cluster = new RecordingCluster('a');
    cluster.reply = () => answers.shift();
    return { cluster, ended: stepEnded(cluster, { data, endpoint: 'pve1:8006' }, signal) };
  }

  it.each([['OK'], ['WARNINGS: 1']])('lets the call go on: %s', async (exitstatus) => {
    const { cluster, ended } = ends([{ status: 'stopped', exitstatus }]);
    await expect(ended).resolves.toBeUndefined();
    expect(cluster.calls.map(({ path }) => path.toString())).toEqual([`/nodes/pve1/tasks/${UPID}/status`]);
  });

  it('is waited for', async () => {
    const { cluster, ended } = ends([{ status: 'running' }, { status: 'stopped', exitstatus: 'OK' }]);
    await ended;
    expect(cluster.calls).toHaveLength(2);
  });

  it('keeps the call back where it failed', async () => {
    await expect(ends([{ status: 'stopped', exitstatus: 'no space' }]).ended).rejects.toMatchObject({
      code: 'TASK_FAILED',
      cluster: 'a',
      message: expect.stringMatching(/^The snapshot failed: .*no space.*\. The call itself was not sent\.$/),
      hint: 'Mend the cause, or leave out `snapshot_first`.',
    });
  });

  it.each([[null], ['done'], [{ upid: UPID }], [7]])('is there at once with the answer %j', async (data) => {
    const { cluster, ended } = ends([], data);
    await ended;
    expect(cluster.calls).toEqual([]);
  });

  it('is not waited for once the caller is gone', async () => {
    const caller = new AbortController();
    const cluster = new RecordingCluster('a');
    cluster.reply = () => {
      setTimeout(() => caller.abort(new Error('gone')), 5);
      return { status: 'running' };
    };
    const began = performance.now();
    await expect(stepEnded(cluster, { data: UPID, endpoint: 'pve1:8006' }, caller.signal)).rejects.toThrow();
    expect(performance.now() - began).toBeLessThan(900);
    expect(cluster.calls).toHaveLength(1);
  });
});

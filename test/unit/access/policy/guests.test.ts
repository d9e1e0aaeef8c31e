import { describe, expect, it } from 'vitest';
import { guestsOf, taskVmid, touchedGuests, vmidOf } from '../../../../src/access/policy/guests.ts';
import { PathPattern, pathParts } from '../../../../src/access/policy/matching.ts';
import { ownersIn } from '../../../../src/access/policy/volumes.ts';
import type { HttpMethod } from '../../../../src/proxmox/call.ts';
import { guest } from '../../../support/policy.ts';

const UPID = 'UPID:pve1:0000ABCD:00112233:66112233:qmstart:100:root@pam:';

describe('the guests of a call', () => {
  it.each([
    ['GET /nodes', {}, []],
    ['GET /nodes/p/qemu', {}, []],
    ['GET /nodes/p/qemu/100/config', {}, [100]],
    ['GET /nodes/p/lxc/100', {}, [100]],
    ['POST /nodes/p/qemu/100/clone', { newid: 300 }, [100]],
    ['POST /nodes/p/qemu/100/move_disk', { 'target-vmid': 200 }, [100, 200]],
    ['POST /nodes/p/lxc/100/move_volume', { 'target-vmid': '200' }, [100, 200]],
    ['POST /nodes/p/qemu/100/remote_migrate', { 'target-vmid': 900 }, [100]],
    ['PUT /nodes/p/qemu/100/config', { scsi1: 'l:vm-200-disk-0', description: 'vm-300-disk-0' }, [100, 200]],
    ['PUT /nodes/p/qemu/100/config', { scsi1: { file: 'l:vm-200-disk-0' } }, [100, 200]],
    ['POST /nodes/p/qemu', { vmid: 300, scsi0: 'l:0,import-from=l:vm-200-disk-0' }, [200]],
    [
      'POST /nodes/p/qemu',
      { vmid: 300, archive: 'b:backup/vzdump-qemu-200-2026_01_01-00_00_00.vma.zst' },
      [200],
    ],
    ['POST /nodes/p/qemu', { vmid: 300, archive: 'pbs:backup/vm/200/2026-01-01T00:00:00Z' }, [200]],
    ['POST /nodes/p/lxc', { vmid: 300, ostemplate: 'b:backup/vzdump-lxc-200-2026.tar' }, [200]],
    ['POST /nodes/p/qemu', { vmid: 300, force: 'yes' }, [300]],
    ['POST /nodes/p/vzdump', { vmid: '100,200 300' }, [100, 200, 300]],
    ['POST /nodes/p/stopall', { vms: [100, 200] }, [100, 200]],
    ['POST /cluster/bulk-action/guest/start', { vms: '100;200' }, [100, 200]],
    ['POST /cluster/backup', { vmid: '100' }, [100]],
    ['PUT /pools/web', { vms: '100,200' }, [100, 200]],
    ['PUT /pools', { poolid: 'web', vms: 100 }, [100]],
    ['GET /cluster/ha/resources/vm:100', {}, [100]],
    ['POST /cluster/ha/resources', { sid: 'ct:100' }, [100]],
    ['POST /cluster/ha/rules', { resources: 'vm:100,ct:200' }, [100, 200]],
    ['DELETE /cluster/replication/100-0', {}, [100]],
    ['POST /cluster/replication', { id: '100-0' }, [100]],
    ['POST /nodes/p/replication/100-0/schedule_now', {}, [100]],
    [`GET /nodes/p/tasks/${UPID}/log`, {}, [100]],
    ['DELETE /nodes/p/storage/l/content/l:vm-100-disk-0', {}, [100]],
    ['DELETE /nodes/p/storage/l/content/l:base-900-disk-0/vm-100-disk-0', {}, [100]],
    ['DELETE /nodes/p/storage/l/content/l:900/base-900-disk-0.raw/100/vm-100-disk-0.qcow2', {}, [100]],
    ['DELETE /nodes/p/storage/l/content/l:base-900-disk-0', {}, [900]],
    ['DELETE /nodes/p/storage/l/content/subvol-100-disk-0', {}, [100]],
    ['DELETE /nodes/p/storage/l/content/d:100/disk.raw', {}, [100]],
    ['GET /nodes/p/storage/l/prunebackups', { vmid: 100 }, [100]],
    ['GET /nodes/p/vzdump/extractconfig', { volume: 'b:backup/vzdump-lxc-100-x.tar' }, [100]],
    [
      'PUT /nodes/p/lxc/100/config',
      { net0: 'name=eth0,ip6=fd00::200/64', nameserver: 'http://x:8006/' },
      [100],
    ],
  ])('%s %j is about %j', (line, data, vmids) => {
    const [method, path = ''] = line.split(' ') as [HttpMethod, string];
    const found = guestsOf({ method, path, data });
    expect(found.vmids).toEqual(vmids);
    expect(found.unreadable).toBeUndefined();
  });

  it.each([
    ['POST /nodes/p/stopall', {}],
    ['POST /nodes/p/migrateall', { target: 'q' }],
    ['POST /nodes/p/execute', { commands: '[]' }],
    ['POST /nodes/p/vzdump', { all: 1 }],
    ['POST /nodes/p/vzdump', { vmid: 100, exclude: '200' }],
    ['POST /nodes/p/vzdump', { pool: 'web' }],
    ['POST /nodes/p/vzdump', {}],
    ['PUT /cluster/backup/job-1', { enabled: 0 }],
    ['DELETE /nodes/p/storage/l/prunebackups', {}],
    ['POST /cluster/bulk-action/guest/shutdown', {}],
  ] as const)('%s %j acts on guests that it does not name', (line, data) => {
    const [method, path = ''] = line.split(' ') as [HttpMethod, string];
    expect(guestsOf({ method, path, data }).unnamed).toBeDefined();
  });

  it.each([
    '0100',
    '1e2',
    '100.0',
    ' 100',
    '99',
    '1000000000',
    '１００',
    'NaN',
    '0x64',
    '+100',
    '-100',
    '100a',
  ])('takes %j for no VMID', (text) => {
    expect(vmidOf(text)).toBeUndefined();
    expect(guestsOf({ method: 'GET', path: `/nodes/p/qemu/${text}/config` })).toMatchObject({
      vmids: [],
      unreadable: text,
    });
    expect(
      guestsOf({ method: 'POST', path: '/nodes/p/stopall', data: { vms: [100, `${text},`] } }),
    ).toBeDefined();
  });

  it('knows what is made, and that a clone takes the tags over', () => {
    const call = {
      method: 'POST',
      path: '/nodes/p/qemu/100/clone',
      data: { newid: '300', name: 'w', pool: 'a' },
    } as const;
    const touched = touchedGuests(guestsOf(call), (vmid) => guest(vmid, 'web', ['web'], 'b'));
    expect(touched.creates).toEqual({ vmid: 300, name: 'w', tags: ['web'], pool: 'a' });
    const made = guestsOf({
      method: 'POST',
      path: '/nodes/p/lxc',
      data: { vmid: 300, hostname: 'h', tags: 'A;b' },
    });
    expect(made.creates).toEqual({ vmid: 300, name: 'h', tags: ['a', 'b'] });
    expect(guestsOf({ method: 'POST', path: '/nodes/p/lxc', data: {} }).unreadable).toBe('vmid');
    expect(guestsOf({ method: 'POST', path: '/nodes/p/qemu/100/clone', data: {} }).unreadable).toBe('newid');
  });

  it('tells a task by its identifier alone', () => {
    expect(taskVmid(UPID)).toBe(100);
    expect(taskVmid(UPID.replace(':100:', '::'))).toBeUndefined();
    expect(taskVmid(UPID.replace(':100:', ':0100:'))).toBeUndefined();
    expect(taskVmid('UPID:100')).toBeUndefined();
  });

  it('reads names of volumes in a time that grows with their length alone', () => {
    const started = performance.now();
    for (const text of ['base-1-', '1', 'vm-1', ':1', '=a:1/', 'backup/vm/', 'a:']) {
      ownersIn({ scsi0: text.repeat(Math.ceil(500_000 / text.length)) });
    }
    // Quadratic in 500,000 would be minutes.
    expect(performance.now() - started).toBeLessThan(8000);
  });
});

describe('a pattern of paths', () => {
  const matches = (pattern: string, path: string) =>
    new PathPattern(pattern).matches(pathParts(path), 'allow');
  it.each([
    ['/', '/', true],
    ['/**', '/', true],
    ['/**', '/nodes/pve1', true],
    ['/nodes', '/nodes', true],
    ['/nodes', '/nodes/pve1', false],
    ['/nodes/*', '/nodes', false],
    ['/nodes/pve1', '/nodes/pve10', false],
    ['/nodes/pve1/**', '/nodes/pve1', true],
    ['/nodes/pve1/**', '/nodes/pve10/qemu', false],
    ['/nodes/*/qemu/1*/config', '/nodes/p/qemu/100/config', true],
    ['/nodes/*/qemu/1*/config', '/nodes/p/qemu/200/config', false],
    ['/nodes/*/QEMU', '/nodes/p/qemu', false],
    ['/nodes/*/storage/*/content/*', '/nodes/p/storage/l/content/l:iso/x.iso', true],
    ['/nodes/*/storage/*/content', '/nodes/p/storage/l/content/l:iso/x.iso', false],
    ['/cluster/firewall/ipset/*/*', '/cluster/firewall/ipset/a/10.0.0.0/8', true],
    ['/nodes/pve1/qemu', '/nodes/localhost/qemu', false],
    ['/nodes/*/qemu', '/nodes/localhost/qemu', true],
    ['/nodes/*a*a*a*a*a*a*a*a*a*b', `/nodes/${'a'.repeat(2000)}`, false],
  ])('%s and %s: %s', (pattern, path, expected) => {
    expect(matches(pattern, path)).toBe(expected);
  });

  it('that denies holds for a node under its other name', () => {
    expect(new PathPattern('/nodes/pve1/**').matches(pathParts('/nodes/localhost/qemu'), 'deny')).toBe(true);
    expect(new PathPattern('/cluster/pve1').matches(pathParts('/cluster/localhost'), 'deny')).toBe(false);
  });
});

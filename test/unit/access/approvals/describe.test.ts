import { describe, expect, it } from 'vitest';
import {
  type DescribedCall,
  type DescribeOptions,
  describePlan,
} from '../../../../src/access/approvals/describe.ts';
import { parseApiPath } from '../../../../src/proxmox/api-path.ts';
import type { HttpMethod, Parameters } from '../../../../src/proxmox/call.ts';
import { CallError } from '../../../../src/proxmox/errors.ts';

const NOW = Date.UTC(2026, 10, 21, 12);
const HOUR = 3600;
const VM = '/nodes/pve1/qemu/100';
const CT = '/nodes/pve2/lxc/200';

function storageRow(storage: string, node: string, more: object = {}) {
  return { type: 'storage', storage, node, content: 'images,backup', status: 'available', ...more };
}

/** What a cluster answers, by path. */
const ANSWERS: Record<string, unknown> = {
  '/cluster/resources': [
    { type: 'qemu', vmid: 100, node: 'pve1', name: 'web-1', status: 'running', pool: 'web', tags: 'a;b' },
    { type: 'lxc', vmid: '200', node: 'pve2', name: 'dns-1', status: 'stopped' },
    { type: 'node', node: 'pve1' },
    storageRow('local', 'pve1'),
    storageRow('local', 'pve2'),
    storageRow('nas', 'pve1', { shared: 1 }),
    storageRow('nas', 'pve2', { shared: 1 }),
    storageRow('isos', 'pve1', { content: 'iso' }),
    storageRow('gone', 'pve1', { status: 'unknown' }),
    { type: 'storage', node: 'pve1', content: 'backup', status: 'available' },
    { type: 'storage', storage: 'nowhere', content: 'backup', status: 'available' },
    { ...storageRow('other', 'pve1'), type: 'pool' },
    'no row',
  ],
  '/cluster/backup': [
    { id: 'nightly', vmid: '300,100' },
    { id: 'others', vmid: '1000' },
    { id: 'all', all: 1 },
  ],
  '/cluster/replication': [
    { id: '100-0', guest: 100, target: 'pve3' },
    { id: '200-0', guest: '200', target: 'pve1' },
  ],
  [`${VM}/status/current`]: { name: 'web-1', status: 'running', ha: { managed: 1, state: 'started' } },
  [`${VM}/config`]: {
    tags: 'web; production,',
    scsi0: 'local:vm-100-disk-0,size=32G',
    ide2: 'nas:iso/debian.iso,media=cdrom',
    virtio1: '/dev/sdb',
    sata0: 'nas:100/vm-100-disk-1.qcow2,iothread=1',
    net0: 'virtio=AA:BB,bridge=vmbr0',
    description: 'local:x',
    protection: 1,
  },
  [`${VM}/snapshot`]: [{ name: 'before' }, { name: 'current' }, { name: '' }, { name: 'after' }],
  '/nodes/pve1/storage/local/content': [{ vmid: 100, ctime: NOW / 1000 - 30 * HOUR }],
  '/nodes/pve1/storage/nas/content': [
    { vmid: '100', ctime: NOW / 1000 - 3 * HOUR },
    { vmid: 200, ctime: NOW / 1000 - 50 * HOUR },
    { vmid: 100, ctime: 0 },
  ],
  '/nodes/pve2/storage/local/content': [{ vmid: 200, ctime: NOW / 1000 - 200 * HOUR }],
  [`${CT}/status/current`]: { status: 'stopped', ha: { managed: 0 } },
  [`${CT}/config`]: { hostname: 'dns-1', rootfs: 'local:subvol-200-disk-0,size=8G', mp0: 'nas:x/y,mp=/x' },
  [`${CT}/snapshot`]: [{ name: 'current' }],
};

function call(line: string, parameters: Parameters = {}): DescribedCall {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  return { method, path: parseApiPath(path), parameters, risks: ['destroy'], reasons: [] };
}

/** Describes calls to a cluster that answers like `ANSWERS` with `changes`; `asked` are its questions. */
async function described(
  calls: DescribedCall[],
  changes: Record<string, unknown> = {},
  options: Partial<DescribeOptions> = {},
) {
  const answers: Record<string, unknown> = { ...ANSWERS, ...changes };
  const asked: string[] = [];
  const facts = await describePlan(
    calls,
    async (path, parameters) => {
      asked.push(`${path}${JSON.stringify(parameters)}`);
      const answer = answers[path.toString()];
      if (answer === undefined) throw new CallError('NOT_FOUND', 'no such path', { hint: 'x' });
      return answer;
    },
    { signal: new AbortController().signal, now: NOW, tool: 'proxmox_api_call', ...options },
  );
  return { facts, asked };
}

describe('a guest', () => {
  it('is shown with all that is known of it', async () => {
    const { facts, asked } = await described([call(`DELETE ${VM}`)]);
    expect(facts).toEqual({
      guests: [
        {
          type: 'qemu',
          vmid: 100,
          node: 'pve1',
          name: 'web-1',
          status: 'running',
          protected: true,
          pool: 'web',
          tags: ['web', 'production'],
          snapshots: ['before', 'after'],
          last_backup_at: '2026-11-21T09:00:00.000Z',
        },
      ],
      lost: [
        '"web-1" (VM 100), its configuration and its firewall rules',
        'the disk "scsi0 local:vm-100-disk-0 (32G)" with all that is on it',
        'the disk "sata0 nas:100/vm-100-disk-1.qcow2" with all that is on it',
        'the snapshots "before", "after" of "web-1" (VM 100)',
      ],
      dependents: [
        'the snapshots "before", "after" of "web-1" (VM 100)',
        'HA manages "web-1" (VM 100), state "started"',
        'the replication job "100-0" of "web-1" (VM 100) to the node "pve3"',
        'the backup job "nightly" names "web-1" (VM 100)',
      ],
      last_backup: '3 hours ago (2026-11-21 09:00 UTC)',
      undo: "It can't be undone: only a backup brings the guest back, as it was then.",
      warnings: ['The guest is protected in its configuration: Proxmox refuses to destroy it or its disks.'],
    });
    // A shared storage is read once, one of a node on each node, and none without backups.
    const backups = '{"content":"backup","vmid":100}';
    expect(asked.filter((question) => question.includes('/content'))).toEqual([
      `/nodes/pve1/storage/local/content${backups}`,
      `/nodes/pve2/storage/local/content${backups}`,
      `/nodes/pve1/storage/nas/content${backups}`,
    ]);
  });

  it('that is a container is shown as one, and nothing is made up', async () => {
    const { facts } = await described([call(`POST ${CT}/status/stop`)]);
    expect(facts).toMatchObject({
      guests: [{ type: 'lxc', vmid: 200, node: 'pve2', name: 'dns-1', status: 'stopped', snapshots: [] }],
      dependents: ['the replication job "200-0" of "dns-1" (container 200) to the node "pve1"'],
      last_backup: '2 days ago (2026-11-19 10:00 UTC)',
      warnings: [],
    });
    expect(Object.keys(facts.guests[0] ?? {})).not.toContain('disks');
    expect(Object.keys(facts.guests[0] ?? {})).not.toContain('protected');
    expect(Object.keys(facts.guests[0] ?? {})).not.toContain('template');
  });

  it.each([
    [0, '0 minutes ago (2026-11-21 12:00 UTC)'],
    [-5, '0 minutes ago (2026-11-21 12:05 UTC)'],
    [119, '119 minutes ago (2026-11-21 10:01 UTC)'],
    [120, '2 hours ago (2026-11-21 10:00 UTC)'],
    [2879, '47 hours ago (2026-11-19 12:01 UTC)'],
    [2880, '2 days ago (2026-11-19 12:00 UTC)'],
    [4319, '2 days ago (2026-11-18 12:01 UTC)'],
  ])('that was backed up %i minutes ago is said to be so', async (minutes, words) => {
    const { facts } = await described([call(`DELETE ${VM}`)], {
      '/nodes/pve1/storage/local/content': [],
      '/nodes/pve1/storage/nas/content': [{ vmid: 100, ctime: NOW / 1000 - minutes * 60 }],
    });
    expect(facts.last_backup).toBe(words);
  });

  it('is asked for where the list says it is, whatever the path says', async () => {
    const { facts, asked } = await described([call('DELETE /nodes/pve9/lxc/100')]);
    expect(facts.guests).toMatchObject([{ type: 'qemu', node: 'pve1' }]);
    expect(asked.join()).not.toContain('pve9');
    const container = await described([call('DELETE /nodes/pve9/qemu/200')]);
    expect(container.facts.guests).toMatchObject([{ type: 'lxc', node: 'pve2' }]);
  });

  it('under HA is said to be so, as far as it is known', async () => {
    const row = { type: 'qemu', vmid: 100, node: 'pve1' };
    const ofRow = await described([call(`DELETE ${VM}`)], {
      '/cluster/resources': [{ ...row, hastate: 'stopped', template: 1 }],
      [`${VM}/status/current`]: {},
    });
    expect(ofRow.facts.guests).toMatchObject([{ template: true }]);
    expect(ofRow.facts.dependents.join()).toMatch(/HA manages .*VM 100.*, state "stopped"/);
    const managed = await described([call(`DELETE ${VM}`)], {
      [`${VM}/status/current`]: { ha: { managed: 1 } },
    });
    expect(managed.facts.dependents).toContain('HA manages "web-1" (VM 100)');
    const unmanaged = await described([call(`DELETE ${VM}`)], { [`${VM}/status/current`]: { ha: 1 } });
    expect(unmanaged.facts.dependents.join()).not.toContain('HA');
  });

  it('that is a template is said to have linked clones', async () => {
    const config = { template: 1, scsi0: 'local:base-100-disk-0,size=1G', name: 'golden' };
    const { facts } = await described([call(`POST ${VM}/config`)], {
      [`${VM}/status/current`]: {},
      [`${VM}/config`]: config,
      '/nodes/pve1/storage/local/content': [
        { vmid: 100, volid: 'local:base-100-disk-0' },
        { vmid: 302, volid: 'local:vm-302-disk-0', parent: 'base-100-disk-0@__base__' },
        { vmid: 31, volid: 'local:base-100-disk-0/vm-31-disk-0' },
        { vmid: 302, volid: 'local:100/base-100-disk-0.raw/302/vm-302-disk-1.qcow2' },
        { vmid: 303, volid: 'local:vm-303-disk-0', parent: 'base-1001-disk-0' },
        { vmid: 304, volid: 'local:xbase-100-disk-0' },
        { volid: 'local:base-100-disk-0/x' },
      ],
    });
    expect(facts.guests).toMatchObject([{ template: true }]);
    expect(facts.dependents.at(-1)).toBe(
      'linked clones that read from the disks of "web-1" (VM 100): the guests 31, 302; Proxmox refuses while they exist',
    );
    // A template has no snapshots.
    expect(facts.undo).not.toContain('snapshot_first');
  });

  it('that is a template without clones has none', async () => {
    const { facts } = await described([call(`DELETE ${VM}`)], {
      [`${VM}/config`]: { template: 1, scsi0: 'local:base-100-disk-0' },
    });
    expect(facts.dependents.join()).not.toContain('linked clones');
  });

  it('that is in no list is said not to be seen', async () => {
    const unseen = "No guest 777 is in the list of guests that this service's token sees.";
    const named = await described([call('DELETE /nodes/pve1/qemu/777')]);
    expect(named.facts.warnings).toContain(unseen);
    expect(named.facts.warnings).toContain('The configuration of qemu 777 could not be read (NOT_FOUND).');
    expect(named.facts.warnings).toContain('The snapshots of qemu 777 could not be read (NOT_FOUND).');
    const listed = await described([call('POST /cluster/bulk-action/guest/stop', { vms: '777' })]);
    expect(listed.facts).toMatchObject({
      guests: [{ type: 'qemu', vmid: 777 }],
      dependents: [],
      last_backup: 'not known: the guest is not in the list of guests',
      warnings: [unseen],
    });
  });
});

describe('a guest that the calls make', () => {
  const made = [
    call('POST /nodes/pve1/qemu', { vmid: 700, name: 'copy', archive: 'nas:backup/x' }),
    call('PUT /nodes/pve1/qemu/700/config', { net0: 'virtio,bridge=vmbr1' }),
    call('POST /nodes/pve1/qemu/700/status/start'),
  ];

  it('is new: nothing is read of it, nothing is lost, and no warning says that it is not there', async () => {
    const { facts, asked } = await described(made);
    expect(facts.guests).toEqual([{ type: 'qemu', vmid: 700, node: 'pve1', name: 'copy', status: 'new' }]);
    expect([facts.lost, facts.warnings, facts.last_backup]).toEqual([[], [], undefined]);
    expect(asked.filter((path) => path.includes('700'))).toEqual([]);
  });

  it('is the one that is there where its VMID is taken, or replaced', async () => {
    const taken = await described([call('POST /nodes/pve1/qemu', { vmid: 100, name: 'copy' })]);
    expect(taken.facts.guests).toMatchObject([{ vmid: 100, name: 'web-1', status: 'running' }]);
  });
});

describe('which guests are looked at', () => {
  it.each<[string, Parameters, number[]]>([
    [`DELETE ${VM}`, {}, [100]],
    ['POST /nodes/pve1/qemu', { vmid: 100 }, [100]],
    ['POST /nodes/pve1/qemu', { vmid: 'x' }, []],
    ['POST /nodes/pve1/vzdump', { vmid: '100, 200;300' }, [100, 200, 300]],
    ['POST /cluster/bulk-action/guest/stop', { vms: ['200', '100'] }, [200, 100]],
    [`POST ${VM}/move_disk`, { 'target-vmid': 200 }, [100, 200]],
    ['DELETE /nodes/pve1/storage/local/content/local:vm-200-disk-0', {}, [200]],
    ['DELETE /nodes/pve1/storage/local/content/local:backup/vzdump-lxc-200-2026.tar', {}, [200]],
    ['DELETE /nodes/pve1/storage/local/content/local:iso/100.iso', {}, []],
    ['GET /nodes/pve1/storage/local/status/vm-200-disk-0', {}, []],
    ['DELETE /pools/100', {}, []],
    ['PUT /nodes', { vms: '-1,0,1.5' }, []],
    ['DELETE /x/pve1/qemu/100', {}, []],
    ['DELETE /nodes/pve1/network/vmbr0/content/vm-200-disk-0', {}, []],
    ['POST /nodes/pve1/qemu/100/clone', { vmid: 200 }, [100, 200]],
  ])('%s %j: %j', async (line, parameters, vmids) => {
    const { facts, asked } = await described([call(line, parameters)]);
    expect(facts.guests.map(({ vmid }) => vmid)).toEqual(vmids);
    if (vmids.length === 0) {
      expect(asked).toEqual([]);
      expect(facts).not.toHaveProperty('last_backup');
    }
  });

  it('are the first five, each once, and the rest is counted', async () => {
    const vms = '1001,1002,1003,1004,1005,1006,1007,1001';
    const { facts } = await described([call('POST /nodes/pve1/stopall', { vms }), call(`DELETE ${VM}`)]);
    expect(facts.guests.map(({ vmid }) => vmid)).toEqual([1001, 1002, 1003, 1004, 1005]);
    expect(facts.warnings[0]).toBe('3 more guests are affected; they were not looked at.');
    const five = await described([call('POST /nodes/pve1/stopall', { vms: '1001,1002,1003,1004,1005' })]);
    expect(five.facts.warnings.join()).not.toContain('more guests');
  });

  it('each with its own last backup, and each way back said once', async () => {
    const { facts } = await described([call(`DELETE ${VM}`), call(`DELETE ${CT}`)]);
    expect(facts.last_backup).toBe(
      '"web-1" (VM 100): 3 hours ago (2026-11-21 09:00 UTC); "dns-1" (container 200): 2 days ago (2026-11-19 10:00 UTC)',
    );
    expect(facts.undo).toBe("It can't be undone: only a backup brings the guest back, as it was then.");
    expect(facts.lost).toContain('the disk "rootfs local:subvol-200-disk-0 (8G)" with all that is on it');
    expect(facts.lost).toContain('the disk "mp0 nas:x/y" with all that is on it');
  });
});

describe('the way back', () => {
  it('is a snapshot first, where that helps', async () => {
    const { facts } = await described([call(`PUT ${VM}/config`), call(`PUT ${CT}/config`)]);
    expect(facts.undo).toBe(
      [
        'Set the values back that GET on the same path shows now; a disk that is removed does not come back.',
        'To be able to go back, repeat the call with snapshot_first: "<name>", which takes a snapshot before it.',
      ].join(' '),
    );
  });

  it('is a snapshot by its own tool where the tool that asks takes none', async () => {
    const { facts } = await described([call(`PUT ${VM}/config`)], {}, { tool: 'update_guest' });
    expect(facts.undo).toMatch(/ To be able to go back, take a snapshot with create_snapshot first\.$/);
    expect(facts.undo).not.toContain('snapshot_first');
  });

  it('is the snapshot that is taken before it, where one is', async () => {
    const { facts } = await described([call(`PUT ${VM}/config`)], {}, { hasSnapshot: true });
    expect(facts.undo).toMatch(/ Or roll back to the snapshot that is taken before it\.$/);
    expect(facts.undo).not.toContain('snapshot_first');
  });

  it.each(['proxmox_api_call', 'curated_tool'])(
    'is no snapshot where that does not help: %s',
    async (tool) => {
      for (const line of [
        `DELETE ${VM}`,
        `POST ${VM}/snapshot/before/rollback`,
        `DELETE ${VM}/snapshot/before`,
      ]) {
        const { facts } = await described([call(line)], {}, { tool });
        expect(facts.undo).toMatch(/can't be undone/);
        expect(facts.undo).not.toMatch(/snapshot_first|create_snapshot/);
      }
    },
  );

  it('that is a backup alone is said to be none where there is no backup, and whose', async () => {
    const none = { '/nodes/pve1/storage/nas/content': [], '/nodes/pve1/storage/local/content': [] };
    const only = "It can't be undone: only a backup brings the guest back, as it was then.";
    const { facts } = await described([call(`DELETE ${VM}`), call(`DELETE ${CT}`)], none);
    expect(facts.undo).toBe(`${only} Of "web-1" (VM 100) there is none that this service can see.`);
    const unseen = await described([call('POST /cluster/bulk-action/guest/stop', { vms: '777' })]);
    expect(unseen.facts.undo).not.toContain('there is none');
  });
});

describe('what depends on a guest', () => {
  it('is not the snapshot that is deleted, and the others by whose they are', async () => {
    const { facts } = await described([call(`DELETE ${VM}/snapshot/before`)]);
    expect(facts.dependents).toContain('the snapshots "after" of "web-1" (VM 100)');
    const both = await described([
      call(`DELETE ${VM}/snapshot/before`),
      call(`DELETE ${VM}/snapshot/after`),
      call(`PUT ${VM}/config`),
    ]);
    expect(both.facts.dependents.join()).not.toContain('snapshots');
    const rollback = await described([call(`POST ${VM}/snapshot/before/rollback`)]);
    expect(rollback.facts.dependents).toContain('the snapshots "before", "after" of "web-1" (VM 100)');
  });
});

describe('a storage whose definition goes', () => {
  const content = {
    '/nodes/pve1/storage/nas/content': [
      { volid: 'nas:vm-100-disk-0', vmid: 100 },
      { volid: 'nas:vm-100-disk-1', vmid: '100' },
      { volid: 'nas:iso/x.iso', vmid: 0 },
    ],
    '/nodes/pve2/storage/nas/content': [
      { volid: 'nas:vm-100-disk-0', vmid: 100 },
      { volid: 'nas:vm-200-disk-0', vmid: 200 },
    ],
  };

  it('is shown with the guests whose volumes it has, each volume once', async () => {
    const { facts, asked } = await described([call('DELETE /storage/nas')], content);
    expect(facts.dependents).toEqual(['4 volumes on the storage "nas", of the guests 100, 200']);
    expect(facts.guests).toEqual([]);
    expect(asked).toEqual([
      '/cluster/resources{}',
      '/nodes/pve1/storage/nas/content{}',
      '/nodes/pve2/storage/nas/content{}',
    ]);
  });

  it('has volumes of no guest, or none at all', async () => {
    const empty = { '/nodes/pve1/storage/nas/content': [], '/nodes/pve2/storage/nas/content': [] };
    expect((await described([call('DELETE /storage/nas')], empty)).facts.dependents).toEqual([]);
    const iso = { ...empty, '/nodes/pve1/storage/nas/content': [{ volid: 'nas:iso/x.iso' }] };
    const { facts } = await described([call('DELETE /storage/nas')], iso);
    expect(facts.dependents).toEqual(['1 volumes on the storage "nas", of the guests none']);
  });

  it.each(['PUT /storage/nas', 'DELETE /storage', 'DELETE /pools/nas', 'DELETE /storage/nas/x'])(
    '%s is none',
    async (line) => {
      const { asked } = await described([call(line)], content);
      expect(asked).toEqual([]);
    },
  );

  it('is not asked for a second time where the guests were', async () => {
    const { asked } = await described([call('DELETE /storage/nas'), call(`DELETE ${VM}`)], content);
    expect(asked.filter((question) => question.startsWith('/cluster/resources'))).toHaveLength(1);
  });
});

describe('what can not be read', () => {
  it('is a warning each, and nothing of it is taken for known', async () => {
    const denied = async () => {
      throw new CallError('PERMISSION_DENIED', 'no', { hint: 'no' });
    };
    const { signal } = new AbortController();
    const facts = await describePlan([call('DELETE /nodes/a/lxc/5')], denied, { signal, now: 0, tool: 't' });
    expect(facts).toMatchObject({
      guests: [{ type: 'lxc', vmid: 5, node: 'a' }],
      last_backup: 'none that this service can see',
    });
    expect(facts.guests[0]).not.toHaveProperty('snapshots');
    expect(facts.warnings).toEqual(
      [
        'The list of guests',
        'The backup jobs',
        'The replication jobs',
        'The state of lxc 5',
        'The configuration of lxc 5',
        'The snapshots of lxc 5',
      ].map((what) => `${what} could not be read (PERMISSION_DENIED).`),
    );
  });

  it('is named where it is the content of a storage', async () => {
    const changes = { '/nodes/pve1/storage/nas/content': undefined };
    const guest = await described([call(`DELETE ${VM}`)], changes);
    expect(guest.facts.warnings).toContain('The backups on "nas" could not be read (NOT_FOUND).');
    const storage = await described([call('DELETE /storage/nas')], changes);
    expect(storage.facts.warnings).toContain('The content of "nas" could not be read (NOT_FOUND).');
    const nothing = await described([call('DELETE /storage/nas')], { '/cluster/resources': undefined });
    expect(nothing.facts.warnings).toEqual(['The storages could not be read (NOT_FOUND).']);
  });

  it('is not waited for beyond the limit', async () => {
    const silent = () => new Promise<never>(() => undefined);
    const options = { signal: new AbortController().signal, now: 0, tool: 't', deadlineMs: 20 };
    const { warnings } = await describePlan([call(`DELETE ${VM}`)], silent, options);
    expect(warnings[0]).toBe('The list of guests could not be read (no answer within 0.02 s).');
  });

  it('ends with the call', async () => {
    const silent = () => new Promise<never>(() => undefined);
    const controller = new AbortController();
    const work = describePlan([call(`DELETE ${VM}`)], silent, {
      signal: controller.signal,
      now: 0,
      tool: 't',
    });
    controller.abort(new Error('gone'));
    await expect(work).rejects.toThrow('gone');
  });
});

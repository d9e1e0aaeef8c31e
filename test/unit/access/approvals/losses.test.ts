import { describe, expect, it } from 'vitest';
import type { KnownGuest } from '../../../../src/access/approvals/loss-rule.ts';
import { lossOf } from '../../../../src/access/approvals/losses.ts';
import type { Risk } from '../../../../src/catalogue/types.ts';
import type { HttpMethod, Parameters } from '../../../../src/proxmox/call.ts';

const GUEST: KnownGuest = {
  type: 'qemu',
  vmid: 100,
  name: 'web-1',
  node: 'pve1',
  last_backup_at: '2026-11-21T09:00:00.000Z',
  snapshots: ['first', 'second'],
  disks: ['scsi0 local-lvm:vm-100-disk-0 (32G)', 'efidisk0 local-lvm:vm-100-disk-1'],
};
const WEB = '"web-1" (VM 100)';
const VM = '/nodes/pve1/qemu/100';
const CT = '/nodes/pve1/lxc/100';
const NEVER = "It can't be undone.";
const AGAIN = 'Only by making the same entry again: note its settings first.';
const BACKUP = "It can't be undone: only a backup brings the guest back, as it was then.";
const SET_BACK =
  'Set the values back that GET on the same path shows now; a disk that is removed does not come back.';
const AGENT = "Not known: it depends on what is run. Proxmox can't undo it.";
const UNLINK = 'A disk that was only detached can be attached again; one that was removed by force is gone.';
const CREATE =
  'A guest that is new can be destroyed again; one that is overwritten comes back only from a backup.';
const REMOVED = [
  `${WEB}, its configuration and its firewall rules`,
  'the disk "scsi0 local-lvm:vm-100-disk-0 (32G)" with all that is on it',
  'the disk "efidisk0 local-lvm:vm-100-disk-1" with all that is on it',
  `the snapshots "first", "second" of ${WEB}`,
];

/** Segments as `ApiPath` holds them: that of a volume may hold slashes. */
function loss(
  line: string,
  parameters: Parameters = {},
  guest: KnownGuest | undefined = GUEST,
  reasons: string[] = [],
  risks: Risk[] = ['destroy'],
) {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  const segments = path.slice(1).split('/');
  const { undo, ...rest } = lossOf({ method, segments, parameters, risks, reasons }, guest);
  return { ...rest, undo: undo.join(' ') };
}

describe('what a call takes away, and how to go back', () => {
  it.each<[string, Parameters, string[], string, boolean]>([
    [`DELETE ${VM}`, {}, REMOVED, BACKUP, false],
    [`DELETE ${CT}`, { purge: 0, 'destroy-unreferenced-disks': '0' }, REMOVED, BACKUP, false],
    [
      `DELETE ${VM}`,
      { purge: 1, 'destroy-unreferenced-disks': '1' },
      [
        ...REMOVED,
        `the entries of ${WEB} in backup jobs, replication and HA`,
        `every other volume on any storage that bears the number of ${WEB}`,
      ],
      BACKUP,
      false,
    ],
    [`DELETE ${VM}/snapshot/first`, {}, [`the snapshot "first": the way of ${WEB} back to it`], NEVER, false],
    [
      `POST ${CT}/snapshot/first/rollback`,
      {},
      [`everything that ${WEB} wrote since the snapshot "first" was taken`],
      "It can't be undone. To keep what is there now, make a backup with create_backup first.",
      false,
    ],
    [
      `POST ${VM}/template`,
      {},
      [`${WEB} as a guest that runs: it becomes a template`],
      "It can't be undone; a full clone of the template gives a guest that runs.",
      false,
    ],
    [
      `PUT ${VM}/unlink`,
      { idlist: 'scsi0' },
      [`the disks "scsi0" of ${WEB}: detached, kept as unused`],
      UNLINK,
      false,
    ],
    [
      `PUT ${VM}/unlink`,
      { idlist: 'scsi0', force: true },
      [`the disks "scsi0" of ${WEB}, with all that is on them`],
      UNLINK,
      false,
    ],
    [
      `PUT ${VM}/unlink`,
      { idlist: 'scsi0', force: 'on' },
      [`the disks "scsi0" of ${WEB}, with all that is on them`],
      UNLINK,
      false,
    ],
    [`PUT ${VM}/unlink`, {}, [`the disks "" of ${WEB}: detached, kept as unused`], UNLINK, false],
    [`POST ${VM}/move_disk`, {}, [], 'Move it back.', false],
    [
      `POST ${CT}/move_volume`,
      { delete: 1 },
      ['the volume at its old place, once it is copied'],
      'Move it back.',
      false,
    ],
    [
      `PUT ${VM}/resize`,
      {},
      ['nothing, but a volume can only grow'],
      "It can't be undone: Proxmox does not shrink volumes.",
      true,
    ],
    [`PUT ${CT}/config`, {}, [`the values that these settings of ${WEB} have now`], SET_BACK, true],
    [
      `POST ${VM}/config`,
      { delete: 'net1' },
      [`the values that these settings of ${WEB} have now; these are removed: "net1"`],
      SET_BACK,
      true,
    ],
    ...['stop', 'reset'].map((action): [string, Parameters, string[], string, boolean] => [
      `POST ${VM}/status/${action}`,
      {},
      [`what ${WEB} has not written to its disks: it is not shut down in order`],
      'Start it again; what was not written is lost.',
      false,
    ]),
    ...['shutdown', 'reboot', 'suspend'].map((action): [string, Parameters, string[], string, boolean] => [
      `POST ${VM}/status/${action}`,
      {},
      [`the service of ${WEB} while it is down`],
      'Start or resume it again.',
      false,
    ]),
    [`POST ${VM}/status/start`, {}, [], 'Shut it down again.', false],
    [
      `POST ${VM}/agent/exec`,
      {},
      [`whatever this does inside ${WEB}, where it runs with all rights and Proxmox does not see it`],
      AGENT,
      true,
    ],
    [
      'DELETE /nodes/pve1/storage/local/content/local:backup/vzdump-qemu-100-2026.vma.zst',
      {},
      ['the backup "local:backup/vzdump-qemu-100-2026.vma.zst" on the storage "local"'],
      NEVER,
      false,
    ],
    [
      'DELETE /nodes/pve1/storage/local/content/local:iso/debian.iso',
      {},
      ['the installation image "local:iso/debian.iso" on the storage "local"'],
      NEVER,
      false,
    ],
    [
      'DELETE /nodes/pve1/storage/local/content/local:vztmpl/debian.tar.zst',
      {},
      ['the container template "local:vztmpl/debian.tar.zst" on the storage "local"'],
      NEVER,
      false,
    ],
    [
      'DELETE /nodes/pve1/storage/local/content/local:vm-100-disk-0',
      {},
      ['the volume "local:vm-100-disk-0" on the storage "local"'],
      NEVER,
      false,
    ],
    [
      'DELETE /nodes/pve1/storage/local/prunebackups',
      {},
      ['the backups on "local" that the rule of the storage does not keep'],
      NEVER,
      false,
    ],
    [
      'DELETE /nodes/pve1/storage/local/prunebackups',
      { 'prune-backups': 'keep-last=1' },
      ['the backups on "local" that "keep-last=1" does not keep'],
      NEVER,
      false,
    ],
    [
      'DELETE /storage/nas',
      {},
      [
        'the definition of the storage "nas" on all nodes; its data stay where they are, but no guest can use them',
      ],
      AGAIN,
      false,
    ],
    ['DELETE /pools/web', {}, ['the pool "web" and the permissions on it; its guests stay'], AGAIN, false],
    [
      'DELETE /pools',
      { poolid: 'web' },
      ['the pool "web" and the permissions on it; its guests stay'],
      AGAIN,
      false,
    ],
    [
      'DELETE /access/users/bob@pve/token/ci',
      {},
      ['the API token "bob@pve!ci": whatever uses it is locked out at once'],
      "It can't be undone: a new token has another secret.",
      false,
    ],
    [
      'DELETE /access/users/bob@pve',
      {},
      ['the user "bob@pve", its permissions and, of a user, its API tokens and second factors'],
      AGAIN,
      false,
    ],
    [
      'PUT /access/acl',
      { path: '/vms/100', delete: 1 },
      ['rights that are taken away on "/vms/100"'],
      'The same call with the opposite of delete.',
      false,
    ],
    [
      'PUT /access/acl',
      { path: '/' },
      ['nothing: rights are given on "/"'],
      'The same call with the opposite of delete.',
      false,
    ],
    ...['/cluster/firewall/rules/3', '/nodes/pve1/qemu/100/firewall/rules/3'].map(
      (path): [string, Parameters, string[], string, boolean] => [
        `DELETE ${path}`,
        {},
        ['the firewall entry "rules/3": what it let through or kept out changes at once'],
        AGAIN,
        false,
      ],
    ),
    [
      'DELETE /cluster/ha/resources/vm:100',
      {},
      ['the HA resource "vm:100": after the failure of a node HA no longer acts by it'],
      AGAIN,
      false,
    ],
    [
      'DELETE /cluster/replication/100-0',
      {},
      ['the replication job "100-0" and the copies on its target node'],
      'Make the job again; all data are copied anew.',
      false,
    ],
    [
      'DELETE /cluster/replication/100-0',
      { keep: 1 },
      ['the replication job "100-0"'],
      'Make the job again; all data are copied anew.',
      false,
    ],
    [
      'DELETE /cluster/backup/nightly',
      {},
      ['the backup job "nightly": its guests are no longer backed up by it; the backups stay'],
      AGAIN,
      false,
    ],
    [
      'PUT /nodes/pve1/network',
      {},
      ['perhaps the connection to the node "pve1" and its guests: the prepared network settings take effect'],
      'Prepare the old settings and apply them; a node that is cut off has to be reached at its screen.',
      false,
    ],
    [
      'DELETE /nodes/pve1/network',
      {},
      ['the network changes of "pve1" that are not applied yet'],
      NEVER,
      false,
    ],
    [
      'POST /nodes/pve1/status',
      { command: 'reboot' },
      ['the node "pve1" and every guest on it while it is down ("reboot")'],
      'After a shutdown the machine has to be switched on by hand or by wake-on-LAN.',
      false,
    ],
    [
      'PUT /nodes/pve1/disks/wipedisk',
      { disk: '/dev/sdb' },
      ['everything on the disk "/dev/sdb" of "pve1"'],
      NEVER,
      false,
    ],
    ['POST /nodes/pve1/qemu', { vmid: 100 }, [], CREATE, false],
    [
      'POST /nodes/pve1/lxc',
      { vmid: 100, force: 1 },
      [`${WEB} with all its disks: the backup takes its place`],
      CREATE,
      false,
    ],
  ])('%s %j', (line, parameters, lost, undo, snapshotHelps) => {
    expect(loss(line, parameters)).toEqual({ lost, undo, snapshotHelps });
  });

  it('is told of a guest that is not known as well', () => {
    const { lost } = lossOf(
      {
        method: 'DELETE',
        segments: ['nodes', 'pve1', 'qemu', '100'],
        parameters: {},
        risks: ['destroy'],
        reasons: [],
      },
      undefined,
    );
    expect(lost).toEqual(['the guest, its configuration and its firewall rules']);
    expect(loss(`DELETE ${VM}`, {}, { ...GUEST, snapshots: [], disks: [] }).lost).toHaveLength(1);
  });
});

describe('what a call makes', () => {
  it.each<[string, Parameters, Risk, string[], string]>([
    [
      'POST /nodes/pve1/vzdump',
      { vmid: '100,101', storage: 'nas', remove: 0 },
      'change',
      [],
      'Delete the new backup: delete_backup, or DELETE "/nodes/pve1/storage/nas/content/{volid}".',
    ],
    [
      'POST /nodes/pve1/vzdump',
      { vmid: '100', 'prune-backups': 'keep-last=1' },
      'destroy',
      ['the older backups of these guests on "pve1" that "keep-last=1" does not keep'],
      'Delete the new backup: delete_backup, or DELETE "/nodes/pve1/storage/{storage}/content/{volid}". Backups that are pruned do not come back.',
    ],
    [
      'POST /cluster/backup',
      { id: 'new', vmid: '100,101' },
      'change',
      [],
      'Delete the new job: delete_backup_job, or DELETE "/cluster/backup/new". The backups it has made by then stay.',
    ],
    [
      'POST /cluster/backup',
      { 'prune-backups': 'keep-last=1' },
      'destroy',
      ['whenever the job runs, the older backups of its guests that "keep-last=1" does not keep'],
      'Delete the new job: delete_backup_job, or DELETE "/cluster/backup/{id}". The backups it has made by then stay. Backups that it has pruned do not come back.',
    ],
    [
      'PUT /cluster/backup/nightly',
      { schedule: '03:00' },
      'change',
      ['the values that these settings of the backup job "nightly" have now'],
      'Set the values back that GET on the same path shows now.',
    ],
    [
      'PUT /cluster/backup/nightly',
      { remove: 1 },
      'destroy',
      [
        'the values that these settings of the backup job "nightly" have now',
        'whenever the job runs, the older backups of its guests that the rule of the storage does not keep',
      ],
      'Set the values back that GET on the same path shows now. Backups that it has pruned do not come back.',
    ],
    [
      'POST /cluster/replication',
      { id: '100-1' },
      'change',
      [],
      'Delete the new job: delete_replication_job, or DELETE "/cluster/replication/100-1".',
    ],
    [
      `POST ${VM}/snapshot`,
      { snapname: 'before' },
      'change',
      [],
      `Delete the snapshot: delete_snapshot, or DELETE "${VM}/snapshot/before".`,
    ],
    [
      `POST ${VM}/clone`,
      { newid: 200 },
      'change',
      [],
      'Delete the clone: delete_guest with vmid "200", on the node "pve1".',
    ],
    [
      `POST ${VM}/clone`,
      { newid: 200, target: 'pve2' },
      'change',
      [],
      'Delete the clone: delete_guest with vmid "200", on the node "pve2".',
    ],
    [`POST ${VM}/migrate`, { target: 'pve2' }, 'change', [], 'Migrate it back.'],
    [
      `POST ${CT}/migrate`,
      { target: 'pve2', restart: 1 },
      'change',
      [`the service of ${WEB} while it moves`],
      'Migrate it back.',
    ],
  ])('%s %j, which is %s', (line, parameters, risk, lost, undo) => {
    const made = loss(line, parameters, GUEST, ['reason'], [risk]);
    expect(made).toEqual({ lost, undo, snapshotHelps: false });
  });

  it('has what the caller named in quotes', () => {
    const { undo } = loss('POST /cluster/backup', { id: 'x". Harmless. "' }, undefined, [], ['change']);
    expect(undo).toContain(`DELETE "/cluster/backup/x'. Harmless. '".`);
  });
});

describe('a guest that only a backup brings back', () => {
  const none = 'Of "web-1" (VM 100) there is none that this service can see.';

  it('is said to have none', () => {
    const { last_backup_at: _, ...without } = GUEST;
    expect(loss(`DELETE ${VM}`, {}, without).undo).toBe(`${BACKUP} ${none}`);
    const { node: _node, ...unseen } = without;
    expect(loss(`DELETE ${VM}`, {}, unseen).undo).toBe(BACKUP);
  });
});

describe('what no rule knows', () => {
  it('is no loss where the catalogue says that it can be changed back', () => {
    expect(
      loss('PUT /cluster/options', {}, undefined, ["changes the cluster's options"], ['change']),
    ).toEqual({
      lost: [`nothing that can't be set back: PUT "/cluster/options" changes the cluster's options`],
      undo: 'Set it back: note how it is now first.',
      snapshotHelps: false,
    });
    const worse = loss('PUT /cluster/options', {}, undefined, ['x'], ['change', 'execute']);
    expect(worse.lost).toEqual(['PUT "/cluster/options" x']);
  });

  it('is told by the reasons of the catalogue', () => {
    expect(loss('POST /nodes/pve1/explode', {}, undefined, ['deletes data', 'runs a program'])).toEqual({
      lost: ['POST "/nodes/pve1/explode" deletes data; runs a program'],
      undo: "Not known: take it that it can't be undone, or ask describe_api.",
      snapshotHelps: false,
    });
  });

  it('is a loss where there is no reason either, and an entry where it is deleted', () => {
    expect(loss('DELETE /cluster/made/up')).toEqual({
      lost: ['whatever DELETE "/cluster/made/up" takes away'],
      undo: AGAIN,
      snapshotHelps: false,
    });
  });

  it.each([`GET ${VM}`, `DELETE ${VM}/firewall`, 'DELETE /x/nodes/pve1/qemu/100', 'DELETE /storage/a/b'])(
    'is %s, though it looks like another',
    (line) => {
      expect(loss(line).lost[0]).toMatch(/^whatever /);
    },
  );
});

import { isOn } from '../../catalogue/risk-parameters.ts';
import { GUEST, type JudgedCall, type LossRule, named } from './loss-rule.ts';
import { quoted } from './words.ts';

/** What calls make, and how it is deleted again. Where the catalogue sees no more in them, nothing is lost. */
export const MADE: readonly LossRule[] = [
  {
    method: 'POST',
    path: '/nodes/*/(?:qemu|lxc)',
    lost: ({ call: { parameters }, guest }) =>
      isOn(parameters.force) ? [`${named(guest)} with all its disks: the backup takes its place`] : [],
    undo: 'A guest that is new can be destroyed again; one that is overwritten comes back only from a backup.',
  },
  {
    method: 'POST',
    path: `${GUEST}/clone`,
    lost: () => [],
    undo: ({ call, values: [node = ''] }) => [
      `Delete the clone: delete_guest with vmid ${quoted(text(call.parameters.newid))}, on the node ${quoted(text(call.parameters.target) || node)}.`,
    ],
  },
  {
    method: 'POST',
    path: `${GUEST}/snapshot`,
    lost: () => [],
    undo: ({ call }) => [
      `Delete the snapshot: delete_snapshot, or DELETE ${quoted(`${pathOf(call)}/${text(call.parameters.snapname)}`)}.`,
    ],
  },
  {
    method: 'POST',
    path: `${GUEST}/migrate`,
    lost: ({ call: { parameters }, guest }) =>
      isOn(parameters.restart) ? [`the service of ${named(guest)} while it moves`] : [],
    undo: 'Migrate it back.',
  },
  {
    method: 'POST',
    path: '/nodes/*/vzdump',
    lost: ({ call, values: [node = ''] }) =>
      destroys(call)
        ? [`the older backups of these guests on ${quoted(node)} that ${rule(call)} not keep`]
        : [],
    undo: ({ call, values: [node = ''] }) => [
      `Delete the new backup: delete_backup, or DELETE ${quoted(`/nodes/${node}/storage/${text(call.parameters.storage) || '{storage}'}/content/{volid}`)}.`,
      ...(destroys(call) ? ['Backups that are pruned do not come back.'] : []),
    ],
  },
  {
    method: 'POST',
    path: '/cluster/backup',
    lost: (subject) => prunedByJob(subject.call),
    undo: ({ call }) => [
      `Delete the new job: delete_backup_job, or DELETE ${quoted(`/cluster/backup/${text(call.parameters.id) || '{id}'}`)}. The backups it has made by then stay.`,
      ...(destroys(call) ? ['Backups that it has pruned do not come back.'] : []),
    ],
  },
  {
    method: 'PUT',
    path: '/cluster/backup/*',
    lost: ({ call, values: [id = ''] }) => [
      `the values that these settings of the backup job ${quoted(id)} have now`,
      ...prunedByJob(call),
    ],
    undo: ({ call }) => [
      'Set the values back that GET on the same path shows now.',
      ...(destroys(call) ? ['Backups that it has pruned do not come back.'] : []),
    ],
  },
  {
    method: 'POST',
    path: '/cluster/replication',
    lost: () => [],
    undo: ({ call }) => [
      `Delete the new job: delete_replication_job, or DELETE ${quoted(`/cluster/replication/${text(call.parameters.id) || '{id}'}`)}.`,
    ],
  },
];

function prunedByJob(call: JudgedCall): string[] {
  return destroys(call)
    ? [`whenever the job runs, the older backups of its guests that ${rule(call)} not keep`]
    : [];
}

/** Of backups: whether they prune. The catalogue has looked at all parameters that say so. */
function destroys({ risks }: JudgedCall): boolean {
  return risks.includes('destroy');
}

function rule({ parameters }: JudgedCall): string {
  const retention = parameters['prune-backups'];
  return retention === undefined ? 'the rule of the storage does' : `${quoted(text(retention))} does`;
}

/** A path as a person types it; what is in it was named by the caller. */
function pathOf({ segments }: JudgedCall): string {
  return `/${segments.join('/')}`;
}

function text(value: unknown): string {
  return value === undefined ? '' : String(value);
}

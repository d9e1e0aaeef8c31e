import { isOn } from '../../catalogue/risk-parameters.ts';
import type { Parameters } from '../../proxmox/call.ts';
import { GUEST, type JudgedCall, type KnownGuest, type LossRule, named } from './loss-rule.ts';
import { MADE } from './made.ts';
import { quoted } from './words.ts';

export interface Loss {
  lost: readonly string[];
  /** Sentences. */
  undo: readonly string[];
  /** A snapshot taken before would bring the guest back. */
  snapshotHelps: boolean;
}

const NEVER = "It can't be undone.";
const SET_AGAIN = 'Only by making the same entry again: note its settings first.';

const RULES: readonly LossRule[] = [
  {
    method: 'DELETE',
    path: GUEST,
    lost: ({ call, guest }) => [
      `${named(guest)}, its configuration and its firewall rules`,
      ...(guest?.disks ?? []).map((disk) => `the disk ${quoted(disk)} with all that is on it`),
      ...(guest?.snapshots?.length
        ? [`the snapshots ${guest.snapshots.map(quoted).join(', ')} of ${named(guest)}`]
        : []),
      ...(isOn(call.parameters.purge)
        ? [`the entries of ${named(guest)} in backup jobs, replication and HA`]
        : []),
      ...(isOn(call.parameters['destroy-unreferenced-disks'])
        ? [`every other volume on any storage that bears the number of ${named(guest)}`]
        : []),
    ],
    undo: ({ guest }) => [
      "It can't be undone: only a backup brings the guest back, as it was then.",
      ...withoutBackup(guest),
    ],
  },
  {
    method: 'DELETE',
    path: `${GUEST}/snapshot/*`,
    lost: ({ values, guest }) => [
      `the snapshot ${quoted(values[2] ?? '')}: the way of ${named(guest)} back to it`,
    ],
    undo: NEVER,
  },
  {
    method: 'POST',
    path: `${GUEST}/snapshot/*/rollback`,
    lost: ({ values, guest }) => [
      `everything that ${named(guest)} wrote since the snapshot ${quoted(values[2] ?? '')} was taken`,
    ],
    // A snapshot of the state now would be in the way: ZFS goes back to the newest one alone.
    undo: "It can't be undone. To keep what is there now, make a backup with create_backup first.",
  },
  {
    method: 'POST',
    path: `${GUEST}/template`,
    lost: ({ guest }) => [`${named(guest)} as a guest that runs: it becomes a template`],
    undo: "It can't be undone; a full clone of the template gives a guest that runs.",
  },
  {
    method: 'PUT',
    path: '/nodes/*/qemu/*/unlink',
    lost: ({ call, guest }) => [
      `the disks ${quoted(String(call.parameters.idlist ?? ''))} of ${named(guest)}${isOn(call.parameters.force) ? ', with all that is on them' : ': detached, kept as unused'}`,
    ],
    undo: 'A disk that was only detached can be attached again; one that was removed by force is gone.',
  },
  {
    method: 'POST',
    path: `${GUEST}/(?:move_disk|move_volume)`,
    lost: ({ call }) =>
      isOn(call.parameters.delete) ? ['the volume at its old place, once it is copied'] : [],
    undo: 'Move it back.',
  },
  {
    method: 'POST',
    path: `${GUEST}/remote_migrate`,
    lost: ({ call, guest }) =>
      isOn(call.parameters.delete) ? [`${named(guest)} here, once it is on the other cluster`] : [],
    undo: ({ call, guest }) => [
      isOn(call.parameters.delete)
        ? 'Move it back the same way.'
        : `${named(guest)} stays here, stopped: delete its copy on the other cluster and start it again. What the copy wrote by then is lost.`,
    ],
  },
  {
    method: 'PUT',
    path: `${GUEST}/resize`,
    lost: () => ['nothing, but a volume can only grow'],
    undo: "It can't be undone: Proxmox does not shrink volumes.",
    snapshotHelps: true,
  },
  ...(['PUT', 'POST'] as const).map(
    (method): LossRule => ({
      method,
      path: `${GUEST}/config`,
      lost: ({ call, guest }) => [
        `the values that these settings of ${named(guest)} have now${deletes(call.parameters)}`,
      ],
      undo: 'Set the values back that GET on the same path shows now; a disk that is removed does not come back.',
      snapshotHelps: true,
    }),
  ),
  {
    method: 'POST',
    path: `${GUEST}/status/(?:stop|reset)`,
    lost: ({ guest }) => [`what ${named(guest)} has not written to its disks: it is not shut down in order`],
    undo: 'Start it again; what was not written is lost.',
  },
  {
    method: 'POST',
    path: `${GUEST}/status/(?:shutdown|reboot|suspend)`,
    lost: ({ guest }) => [`the service of ${named(guest)} while it is down`],
    undo: 'Start or resume it again.',
  },
  {
    method: 'POST',
    path: `${GUEST}/status/(?:start|resume)`,
    lost: () => [],
    undo: 'Shut it down again.',
  },
  {
    method: 'POST',
    path: '/nodes/*/qemu/*/agent/(?:exec|file-write|set-user-password)',
    lost: ({ guest }) => [
      `whatever this does inside ${named(guest)}, where it runs with all rights and Proxmox does not see it`,
    ],
    undo: "Not known: it depends on what is run. Proxmox can't undo it.",
    snapshotHelps: true,
  },
  {
    method: 'DELETE',
    path: '/nodes/*/storage/*/content/*',
    lost: ({ values: [, storage = '', volume = ''] }) => [
      `${volumeKind(volume)} ${quoted(volume)} on the storage ${quoted(storage)}`,
    ],
    undo: NEVER,
  },
  {
    method: 'DELETE',
    path: '/nodes/*/storage/*/prunebackups',
    lost: ({ values: [, storage = ''], call }) => [
      `the backups on ${quoted(storage)} that ${call.parameters['prune-backups'] === undefined ? 'the rule of the storage does' : `${quoted(String(call.parameters['prune-backups']))} does`} not keep`,
    ],
    undo: NEVER,
  },
  {
    method: 'DELETE',
    path: '/storage/*',
    lost: ({ values: [storage = ''] }) => [
      `the definition of the storage ${quoted(storage)} on all nodes; its data stay where they are, but no guest can use them`,
    ],
    undo: SET_AGAIN,
  },
  {
    method: 'DELETE',
    path: '/pools(?:/*)?',
    lost: ({ values, call }) => [
      `the pool ${quoted(values[0] ?? String(call.parameters.poolid ?? ''))} and the permissions on it; its guests stay`,
    ],
    undo: SET_AGAIN,
  },
  {
    method: 'DELETE',
    path: '/access/users/*/token/*',
    lost: ({ values: [user = '', token = ''] }) => [
      `the API token ${quoted(`${user}!${token}`)}: whatever uses it is locked out at once`,
    ],
    undo: "It can't be undone: a new token has another secret.",
  },
  {
    method: 'DELETE',
    path: '/access/(?:users|groups|roles|domains)/*',
    lost: ({ call, values: [id = ''] }) => [
      `the ${(call.segments[1] ?? '').replace(/s$/, '')} ${quoted(id)}, its permissions and, of a user, its API tokens and second factors`,
    ],
    undo: SET_AGAIN,
  },
  {
    method: 'PUT',
    path: '/access/acl',
    lost: ({ call: { parameters } }) => [
      `${isOn(parameters.delete) ? 'rights that are taken away' : 'nothing: rights are given'} on ${quoted(String(parameters.path ?? ''))}`,
    ],
    undo: 'The same call with the opposite of delete.',
  },
  {
    method: 'DELETE',
    path: '/(?:.+/)?firewall/(?:rules|groups|aliases|ipset)/.+',
    lost: ({ call }) => [
      `the firewall entry ${quoted(call.segments.slice(-2).join('/'))}: what it let through or kept out changes at once`,
    ],
    undo: SET_AGAIN,
  },
  {
    method: 'DELETE',
    path: '/cluster/ha/(?:resources|rules|groups)/*',
    lost: ({ call, values: [id = ''] }) => [
      `the HA ${(call.segments[2] ?? '').replace(/s$/, '')} ${quoted(id)}: after the failure of a node HA no longer acts by it`,
    ],
    undo: SET_AGAIN,
  },
  {
    method: 'DELETE',
    path: '/cluster/replication/*',
    lost: ({ values: [id = ''], call }) => [
      `the replication job ${quoted(id)}${isOn(call.parameters.keep) ? '' : ' and the copies on its target node'}`,
    ],
    undo: 'Make the job again; all data are copied anew.',
  },
  {
    method: 'DELETE',
    path: '/cluster/backup/*',
    lost: ({ values: [id = ''] }) => [
      `the backup job ${quoted(id)}: its guests are no longer backed up by it; the backups stay`,
    ],
    undo: SET_AGAIN,
  },
  {
    method: 'PUT',
    path: '/nodes/*/network',
    lost: ({ values: [node = ''] }) => [
      `perhaps the connection to the node ${quoted(node)} and its guests: the prepared network settings take effect`,
    ],
    undo: 'Prepare the old settings and apply them; a node that is cut off has to be reached at its screen.',
  },
  {
    method: 'DELETE',
    path: '/nodes/*/network',
    lost: ({ values: [node = ''] }) => [`the network changes of ${quoted(node)} that are not applied yet`],
    undo: NEVER,
  },
  {
    method: 'POST',
    path: '/nodes/*/status',
    lost: ({ values: [node = ''], call }) => [
      `the node ${quoted(node)} and every guest on it while it is down (${quoted(String(call.parameters.command ?? ''))})`,
    ],
    undo: 'After a shutdown the machine has to be switched on by hand or by wake-on-LAN.',
  },
  {
    method: 'PUT',
    path: '/nodes/*/disks/wipedisk',
    lost: ({ values: [node = ''], call }) => [
      `everything on the disk ${quoted(String(call.parameters.disk ?? ''))} of ${quoted(node)}`,
    ],
    undo: NEVER,
  },
  ...MADE,
];

/** What a call takes away, and how to go back; what no rule knows is told by the reasons of the catalogue. */
export function lossOf(call: JudgedCall, guest: KnownGuest | undefined): Loss {
  const path = `/${call.segments.join('/')}`;
  for (const rule of RULES) {
    const match = rule.method === call.method ? patternOf(rule.path).exec(path) : null;
    if (!match) continue;
    const values = match.slice(1).filter((value) => value !== undefined);
    const subject = { call, values, guest };
    return {
      lost: rule.lost(subject),
      undo: typeof rule.undo === 'string' ? [rule.undo] : rule.undo(subject),
      snapshotHelps: rule.snapshotHelps ?? false,
    };
  }
  return unknownLoss(call, `${call.method} ${quoted(path)}`);
}

function unknownLoss({ method, risks, reasons }: JudgedCall, what: string): Loss {
  const does = reasons.length === 0 ? undefined : `${what} ${reasons.join('; ')}`;
  const snapshotHelps = false;
  if (does !== undefined && risks.every((risk) => risk === 'read' || risk === 'change')) {
    const lost = [`nothing that can't be set back: ${does}`];
    return { lost, undo: ['Set it back: note how it is now first.'], snapshotHelps };
  }
  const undo =
    method === 'DELETE' ? SET_AGAIN : "Not known: take it that it can't be undone, or ask describe_api.";
  return { lost: [does ?? `whatever ${what} takes away`], undo: [undo], snapshotHelps };
}

/** For a guest that only a backup brings back. One that is in no list is told of in the warnings. */
function withoutBackup(guest: KnownGuest | undefined): string[] {
  if (guest?.node === undefined || guest.last_backup_at !== undefined) return [];
  return [`Of ${named(guest)} there is none that this service can see.`];
}

function patternOf(path: string): RegExp {
  // A volume has slashes in it: what stands last takes the rest.
  const last = path.endsWith('/content/*') ? path.replace(/\*$/, '(.+)') : path;
  return new RegExp(`^${last.replaceAll('/*', '/([^/]+)')}$`);
}

function deletes(parameters: Parameters): string {
  const list = parameters.delete;
  return list === undefined ? '' : `; these are removed: ${quoted(String(list))}`;
}

function volumeKind(volume: string): string {
  if (volume.includes('vzdump-')) return 'the backup';
  if (volume.includes(':iso/')) return 'the installation image';
  if (volume.includes(':vztmpl/')) return 'the container template';
  return 'the volume';
}

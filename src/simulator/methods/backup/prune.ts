import type { Volume } from '../../state/cluster-state.ts';
import { type Mark, markBackups, parseRetention } from '../../state/prune.ts';
import { removeVolume, requireStorageOn, volumesOn } from '../../state/volumes.ts';
import { choice, declare, onAny, require, startNodeTask, texts } from '../declare.ts';
import { type Call, type Method, node, optional, optionalText, storage, text, vmid } from '../method.ts';

const typeOf = ({ archive, volid }: Volume): string => {
  return archive?.type ?? (/vzdump-lxc-|backup\/ct\//.test(volid) ? 'lxc' : 'qemu');
};

/** What each backup's fate would be, guest by guest. */
function marks(call: Call): [Volume, Mark][] {
  const place = requireStorageOn(call.state, text(call, 'storage'), text(call, 'node'));
  const given = optionalText(call, 'prune-backups') ?? place.options['prune-backups'] ?? 'keep-all=1';
  const retention = parseRetention(given);
  const type = optionalText(call, 'type');
  const backups = volumesOn(call.state, text(call, 'node'), place.storage)
    .filter((volume) => volume.content === 'backup')
    .filter((volume) => call.parameters.vmid === undefined || volume.vmid === call.parameters.vmid)
    .filter((volume) => type === undefined || typeOf(volume) === type);
  const groups = Map.groupBy(backups, (volume) => `${typeOf(volume)}/${volume.vmid}`);
  return [...groups.values()].flatMap((group) => [...markBackups(group, retention)]);
}

function preview(call: Call): unknown {
  return marks(call).map(([volume, mark]) => ({
    volid: volume.volid,
    ctime: volume.ctime,
    type: typeOf(volume),
    mark,
    ...(volume.vmid === undefined ? {} : { vmid: volume.vmid }),
  }));
}

function prune(call: Call): string {
  const name = text(call, 'storage');
  const guest = call.parameters.vmid;
  if (
    guest !== undefined &&
    !call.state.access.has(call.identity, `/storage/${name}`, 'Datastore.Allocate')
  ) {
    require(call, `/storage/${name}`, 'Datastore.AllocateSpace');
    require(call, `/vms/${guest}`, 'VM.Backup');
  } else require(call, `/storage/${name}`, 'Datastore.Allocate');
  const gone = marks(call).filter(([, mark]) => mark === 'remove');
  return startNodeTask(call, 'prunebackups', name, {
    end: () => {
      for (const [volume] of gone) removeVolume(call.state, volume);
    },
    log: gone.map(([volume]) => `removing backup '${volume.volid}'`),
  });
}

const path = '/nodes/{node}/storage/{storage}/prunebackups';
const properties = {
  node,
  storage,
  ...texts('prune-backups'),
  type: choice('qemu', 'lxc'),
  vmid: optional(vmid),
};

/** Removing the backups that a retention has no place for. */
export const pruneMethods: Method[] = [
  declare(
    'GET',
    path,
    onAny('/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace'),
    properties,
    preview,
  ),
  declare('DELETE', path, { user: 'all' }, properties, prune),
];

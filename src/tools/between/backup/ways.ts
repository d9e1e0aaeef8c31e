import type { GatedCluster } from '../../../access/gate.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { textOf } from '../../results.ts';
import { type Definition, readDefinitions } from '../../storage/definition.ts';

/** Types that another cluster can be given as well. */
const NETWORK = ['nfs', 'cifs', 'pbs'];

/** How a guest gets to a cluster that shares no storage for backups with its own: each with what to do. @throws CallError */
export async function remainingWays(source: GatedCluster, target: GatedCluster): Promise<string[]> {
  const [here, there] = await Promise.all([backupStorages(source), backupStorages(target)]);
  const pbs = (list: readonly Definition[]) => list.filter(({ type }) => type === 'pbs');
  return [
    `Without a backup: migrate_guest_between_clusters with to=${target.name} checks whether the guest can move directly.`,
    mount(source, target, here) ??
      mount(target, source, there) ??
      'A temporary mount: neither has a storage for backups on the network. Give both the same NFS or CIFS export or PBS datastore (create_storage on each), then repeat this call.',
    pbs(here).length > 0 && pbs(there).length > 0
      ? `A sync of PBS: a sync job from ${wordsOf(pbs(here))} of ${source.name} to ${wordsOf(pbs(there))} of ${target.name}, made on the Proxmox Backup Server itself; then this call with volid.`
      : 'A sync of PBS is no way yet: it takes a Proxmox Backup Server at both.',
  ];
}

async function backupStorages(cluster: GatedCluster): Promise<Definition[]> {
  const all = await readDefinitions(cluster);
  return all.filter(
    ({ enabled, type, content }) =>
      enabled && NETWORK.includes(type) && (type === 'pbs' || content.includes('backup')),
  );
}

function mount(has: GatedCluster, lacks: GatedCluster, storages: readonly Definition[]): string | undefined {
  const [first] = storages;
  if (first === undefined) return undefined;
  const { type, storage, options } = first;
  const place = ['server', 'export', 'share', 'datastore', 'namespace']
    .flatMap((key) => (textOf(options[key]) === undefined ? [] : [`${key} ${quoted(String(options[key]))}`]))
    .join(', ');
  return `A temporary mount: give ${lacks.name} the storage ${quoted(storage)} of ${has.name} as well (create_storage type=${type} there with ${place}, content backup), repeat this call, and take it away afterwards (delete_storage).`;
}

function wordsOf(definitions: readonly Definition[]): string {
  return someOf(definitions.map(({ storage }) => quoted(storage)));
}

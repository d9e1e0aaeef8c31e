import type { GatedCluster } from '../../../access/gate.ts';
import type { PrivilegeNeed } from '../../../catalogue/permissions.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { textOf } from '../../results.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import { mappingsOf } from './device-findings.ts';
import type { NameMap } from './maps.ts';
import type { SourceFacts } from './source-facts.ts';
import type { TargetFacts } from './target-facts.ts';

/** What writing any configuration of this kind takes (qemu-server and pve-container, `check_vm_modify_config_perm`). */
const CONFIG = {
  qemu: ['Disk', 'CPU', 'Memory', 'Network', 'Options', 'HWType'],
  lxc: ['Disk', 'CPU', 'Memory', 'Network', 'Options'],
} as const;
/** Bridges that are no VNet are in this zone. */
const OWN_ZONE = 'localnetwork';

/** What both tokens lack, with the lines that grant it. */
export async function rightFindings(
  source: SourceFacts,
  target: TargetFacts,
  maps: { storages: NameMap; bridges: NameMap },
): Promise<Finding[]> {
  const { vmid } = source.guest.guest;
  const [here, there] = await Promise.all([
    lackedOn(source.guest.cluster, [need(`/vms/${vmid}`, 'VM.Migrate')]),
    lackedOn(target.cluster, targetNeeds(source, target, maps)),
  ]);
  return [...here, ...there];
}

async function lackedOn(cluster: GatedCluster, needs: readonly PrivilegeNeed[]): Promise<Finding[]> {
  try {
    const lacked = await cluster.lacks(needs);
    return lacked.map(({ message, fix }) => blocks(`${cluster.name}: ${message}`, fix));
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    return [
      warns(
        `Whether the token of ${cluster.name} may do it is not known (${code}: ${message})`,
        'get_permissions shows what it may do.',
      ),
    ];
  }
}

function targetNeeds(
  { guest, parts, values }: SourceFacts,
  { vmid, vnets = [] }: TargetFacts,
  { storages, bridges }: { storages: NameMap; bridges: NameMap },
): PrivilegeNeed[] {
  const { type } = guest.guest;
  const drives = [
    ...(values.ide2 !== undefined || parts.seeds.length > 0 ? ['CDROM'] : []),
    ...(parts.seeds.length > 0 || values.ipconfig0 !== undefined ? ['Cloudinit'] : []),
  ];
  const options = [...CONFIG[type], ...(type === 'qemu' ? drives : [])];
  return [
    need(`/vms/${vmid}`, 'VM.Allocate', 'VM.Audit', ...options.map((option) => `VM.Config.${option}`)),
    need('/', 'Sys.Incoming', 'Sys.Audit'),
    ...[...new Set(Object.values(storages))].map((name) =>
      need(`/storage/${name}`, 'Datastore.AllocateSpace'),
    ),
    ...parts.nics.flatMap(({ bridge, tag }) => {
      const name = bridge === undefined ? undefined : bridges[bridge];
      if (name === undefined) return [];
      const zone = textOf(vnets.find(({ vnet }) => vnet === name)?.zone) ?? OWN_ZONE;
      return [need(`/sdn/zones/${zone}/${name}${tag === undefined ? '' : `/${tag}`}`, 'SDN.Use')];
    }),
    ...mappingsOf(values).map(({ kind, id }) => need(`/mapping/${kind}/${id}`, 'Mapping.Use')),
  ];
}

function need(path: string, ...privileges: string[]): PrivilegeNeed {
  return { path, privileges, any: false };
}

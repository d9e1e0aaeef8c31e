import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { compact, count } from '../results.ts';
import { ARCHIVE_CALLS, findArchive } from './archives.ts';
import { CONFIG_CALLS, savedConfig, savedDisks, savedName } from './guest-config.ts';
import { volidParam } from './volid.ts';

export const getBackupConfig = defineTool({
  name: 'get_backup_config',
  title: 'Get the configuration in a backup',
  description: 'Shows the configuration of the guest that a backup holds, before it is restored.',
  toolset: 'backups',
  annotations: READS,
  calls: [...ARCHIVE_CALLS, ...CONFIG_CALLS],
  input: z.strictObject({ cluster: clusterParam, volid: volidParam }),
  output: z.object({
    ...selectedFields,
    volid: z.string(),
    vmid: z.int().optional(),
    type: z.string().optional(),
    guest: z.string().optional(),
    config: z.record(z.string(), z.string()),
    description: z.string().optional(),
    disks: z.array(z.object({ key: z.string(), storage: z.string(), size: z.string().optional() })),
  }),
  async run({ cluster: named, volid }, context) {
    const cluster = context.cluster(named);
    const { archive } = await findArchive(cluster, volid);
    const saved = await savedConfig(cluster, archive);
    const { vmid, type } = archive;
    return {
      ...selectionOf(cluster),
      volid,
      ...compact({ vmid, type, guest: savedName(saved), description: saved.description }),
      config: saved.options,
      disks: savedDisks(saved, type ?? 'qemu').map(({ size, ...disk }) => ({
        ...disk,
        ...compact({ size }),
      })),
    };
  },
  summary({ cluster, guest, vmid, type, disks }) {
    const kind = type === 'lxc' ? 'container' : 'VM';
    const named = guest === undefined ? '' : ` (${quoted(guest)})`;
    return `The backup holds ${kind} ${vmid ?? ''}${named} of ${cluster} with ${count(disks.length, 'disk')}.`;
  },
});

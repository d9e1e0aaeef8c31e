import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { guestNames } from '../inventories.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { archiveRow, shownArchive } from './archive-row.ts';
import { ARCHIVE_CALLS, findArchive } from './archives.ts';
import { volidParam, volumePath } from './volid.ts';

export const protectBackup = defineTool({
  name: 'protect_backup',
  title: 'Protect or annotate a backup',
  description: 'Protects a backup from deletion and pruning, takes that away, or writes its notes.',
  toolset: 'backups',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['PUT', '/nodes/{node}/storage/{storage}/content/{volume}', 'protected', 'notes'],
    ...ARCHIVE_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    volid: volidParam,
    protected: z.boolean().optional(),
    notes: z.string().max(4096).optional().describe('Replace the notes; empty removes them.'),
  }),
  output: z.object({ ...selectedFields, backup: archiveRow }),
  async run({ cluster: named, volid, protected: isProtected, notes }, context) {
    if (isProtected === undefined && notes === undefined) {
      throw new CallError('INVALID_ARGUMENTS', 'Neither `protected` nor `notes` is given.', {
        hint: 'Say what is to change. Nothing was sent.',
      });
    }
    const cluster = context.cluster(named).alone();
    const { archive, inventory } = await findArchive(cluster, volid);
    const path = volumePath(archive.node, volid);
    await cluster.request({ method: 'PUT', path, data: { protected: isProtected, notes } });
    const changed = {
      ...archive,
      protected: isProtected ?? archive.protected,
      notes: notes ?? archive.notes,
    };
    return {
      ...selectionOf(cluster),
      backup: shownArchive(changed, guestNames(inventory), context.now()),
    };
  },
  summary({ cluster, backup }) {
    const state = backup.protected ? 'is protected' : 'is not protected';
    return `The backup ${quoted(backup.volid ?? '')} of ${cluster} ${state}.`;
  },
});

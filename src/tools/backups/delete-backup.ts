import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { guestNames } from '../inventories.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { count, noted } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { archiveRow, shownArchive } from './archive-row.ts';
import { ARCHIVE_CALLS, findArchive } from './archives.ts';
import { volidParam, volumePath } from './volid.ts';

export const deleteBackup = defineTool({
  name: 'delete_backup',
  title: 'Delete a backup',
  description: 'Deletes one backup for good. A protected one is refused.',
  toolset: 'backups',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [['DELETE', '/nodes/{node}/storage/{storage}/content/{volume}'], ...ARCHIVE_CALLS, ...TASK_CALLS],
  input: z.strictObject({ cluster: clusterParam, volid: volidParam, wait_seconds: waitParam }),
  output: z.object({
    ...selectedFields,
    backup: archiveRow,
    remaining: z.int().describe('Backups that the guest still has.'),
    note: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, volid, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const { archive, others, inventory, unread } = await findArchive(cluster, volid, { everywhere: true });
    if (archive.protected) {
      throw new CallError('CONFLICT', `The backup ${quoted(volid)} is protected.`, {
        cluster: cluster.name,
        hint: 'protect_backup with protected: false takes that away, where it is meant to go. Nothing was sent.',
        retryable: false,
      });
    }
    const path = volumePath(archive.node, volid);
    const outcome = await runTask(cluster, { method: 'DELETE', path }, wait_seconds, context);
    return {
      ...selectionOf(cluster),
      backup: shownArchive(archive, guestNames(inventory), context.now()),
      remaining: others.filter(({ vmid }) => vmid === archive.vmid).length,
      ...noted(unreadNote(unread)),
      ...outcome,
    };
  },
  summary({ cluster, backup, remaining, note, task }) {
    const whose = backup.vmid === undefined ? '' : `; ${backup.vmid} has ${count(remaining, 'backup')} left`;
    const sentence = taskSentence(
      `The backup ${quoted(backup.volid ?? '')} of ${cluster}`,
      `deleted${whose}`,
      task,
    );
    return note === undefined ? sentence : `${sentence} ${note}`;
  },
});

function unreadNote(unread: readonly { storage: string; node: string }[]): string | undefined {
  if (unread.length === 0) return undefined;
  const places = unread.map(({ storage, node }) => `${quoted(storage)} of ${quoted(node)}`);
  return `There may be more on ${someOf(places)}, which could not be read.`;
}

import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { compact } from '../results.ts';
import { inWords } from '../size.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { CONTENT_CALLS, type FoundVolume, findVolume, pathOf } from './content.ts';
import { guestWords, isTaken, TAKEN_CALL, USER_CALLS, usesOf } from './users.ts';

export const deleteVolume = defineTool({
  name: 'delete_volume',
  title: 'Delete volume',
  description:
    'Deletes a disk, image, template or backup for good. Refused while its guest, a snapshot or a clone uses it.',
  toolset: 'storage',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['DELETE', '/nodes/{node}/storage/{storage}/content/{volume}'],
    ...CONTENT_CALLS,
    ...USER_CALLS,
    TAKEN_CALL,
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    volid: textParam(500),
    node: textParam(63).optional(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    volid: z.string(),
    node: z.string(),
    freed_bytes: z.number().optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, volid, node, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const found = await findVolume(cluster, volid, node);
    await requireFree(cluster, found);
    const { volume } = found;
    const outcome = await runTask(cluster, { method: 'DELETE', path: pathOf(volume) }, wait_seconds, context);
    return {
      ...selectionOf(cluster),
      volid,
      node: volume.node,
      ...compact({ freed_bytes: volume.bytes }),
      ...outcome,
    };
  },
  summary({ cluster, volid, freed_bytes, task }) {
    const size = freed_bytes === undefined ? '' : ` (${inWords(freed_bytes)})`;
    return taskSentence(`The volume ${quoted(volid)} of ${cluster}`, `deleted${size}`, task);
  },
});

/** Proxmox itself would delete the disk of a guest that is stopped. @throws CallError CONFLICT */
async function requireFree(cluster: GatedCluster, { volume, beside, inventory }: FoundVolume): Promise<void> {
  const { volid, vmid } = volume;
  const refuse = refuser(cluster.name);
  if (volume.protected) {
    throw refuse(
      'CONFLICT',
      `${quoted(volid)} is protected.`,
      'protect_backup takes that away, where it is meant to go.',
    );
  }
  // Proxmox names the parent in full, or without its storage.
  const name = volid.slice(volid.indexOf(':') + 1);
  const clones = beside.filter(({ parent }) => parent !== undefined && (parent === volid || parent === name));
  if (clones.length > 0) {
    throw refuse(
      'CONFLICT',
      `Linked clones stand on ${quoted(volid)}: ${someOf(clones.map((clone) => quoted(clone.volid)))}.`,
      'Delete the guests of these first.',
    );
  }
  if (volume.content === 'backup' || vmid === undefined) return;
  const owner = inventory.guests.find((guest) => guest.vmid === vmid);
  if (owner === undefined) {
    if (!(await isTaken(cluster, vmid))) return;
    throw refuse(
      'CONFLICT',
      `${quoted(volid)} belongs to guest ${vmid}, which the token of this service may not see.`,
      'Whether the guest uses it nobody can say here: grant VM.Audit on it first.',
    );
  }
  const [use] = await usesOf(cluster, owner, (one) => one === volid);
  if (use === undefined) return;
  const { key, snapshot } = use;
  const where = snapshot === undefined ? `is ${key}` : `is ${key} in the snapshot ${quoted(snapshot)}`;
  throw refuse(
    'CONFLICT',
    `${quoted(volid)} ${where} of ${guestWords(owner)}.`,
    snapshot === undefined
      ? 'detach_disk takes it from the guest, and can delete it there.'
      : 'delete_snapshot takes it along with the snapshot.',
  );
}

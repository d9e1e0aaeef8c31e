import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import type { ToolContext } from '../define.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { refuser } from '../refusals.ts';
import { count, noted, rowsOf } from '../results.ts';
import { CONTENT_CALLS, readContents } from './content.ts';
import { DEFINITION_CALLS, type Definition, requireDefinition, storageIdParam } from './definition.ts';
import { guestWords, isTaken, someFound, TAKEN_CALL, USER_CALLS, usesOf } from './users.ts';

export const deleteStorage = defineTool({
  name: 'delete_storage',
  title: 'Delete storage',
  description:
    'Takes the definition of a storage away; its data stay. Refused while guests have disks there.',
  toolset: 'storage',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['DELETE', '/storage/{storage}'],
    ['GET', '/cluster/backup'],
    ...DEFINITION_CALLS,
    ...CONTENT_CALLS,
    ...USER_CALLS,
    TAKEN_CALL,
  ],
  input: z.strictObject({ cluster: clusterParam, storage: storageIdParam }),
  output: z.object({
    ...selectedFields,
    storage: z.string(),
    type: z.string(),
    volumes_left: z.int().optional().describe('What is still on it, and seen no more.'),
    backup_jobs: z.array(z.string()).optional().describe('They name it, and will fail.'),
    note: z.string().optional(),
  }),
  async run({ cluster: named, storage }, context) {
    const cluster = context.cluster(named).alone();
    const definition = await requireDefinition(cluster, storage);
    const [left, jobs] = await Promise.all([
      requireUnused(cluster, definition, context),
      jobsOn(cluster, storage).catch(() => []),
    ]);
    context.signal.throwIfAborted();
    await cluster.request({ method: 'DELETE', path: apiPath`/storage/${storage}` });
    return {
      ...selectionOf(cluster),
      storage,
      type: definition.type,
      ...(left.volumes === undefined ? {} : { volumes_left: left.volumes }),
      ...(jobs.length === 0 ? {} : { backup_jobs: jobs }),
      ...noted(left.problem),
    };
  },
  summary({ cluster, storage, volumes_left, backup_jobs, note }) {
    const left = volumes_left ? ` ${count(volumes_left, 'volume')} stay on it.` : '';
    const jobs =
      backup_jobs === undefined ? '' : ` Backup jobs that name it will fail: ${someOf(backup_jobs)}.`;
    return `The storage ${quoted(storage)} of ${cluster} is defined no more.${left}${jobs}${note ? ` ${note}` : ''}`;
  },
});

interface Left {
  volumes?: number;
  problem?: string;
}

/**
 * Proxmox takes a storage away under its guests without a word: they fail at their next start.
 *
 * @throws CallError CONFLICT that names the guests
 */
async function requireUnused(
  cluster: GatedCluster,
  { storage, enabled }: Definition,
  context: ToolContext,
): Promise<Left> {
  if (!enabled) return { problem: 'It was disabled, so that what is on it could not be looked at.' };
  let found: Awaited<ReturnType<typeof readContents>>;
  try {
    found = await readContents(cluster, { storage });
  } catch (thrown) {
    context.signal.throwIfAborted();
    // One that is gone for good is what people want to delete.
    return { problem: `What is on it could not be looked at: ${toCallError(thrown).message}` };
  }
  const { volumes, unread, inventory } = found;
  const owners = new Set(volumes.filter(({ content }) => content !== 'backup').map(({ vmid }) => vmid));
  const guests = inventory.guests.filter(({ vmid }) => owners.has(vmid));
  // Another cluster on the same share has guests of the same numbers: what counts is their configuration here.
  const isHere = (volid: string) => volid.startsWith(`${storage}:`);
  const seen = new Set(inventory.guests.map(({ vmid }) => vmid));
  const unseen = [...owners].filter((vmid) => vmid !== undefined).filter((vmid) => !seen.has(vmid));
  const [uses, hidden] = await Promise.all([
    someFound(guests, async (guest) =>
      (await usesOf(cluster, guest, isHere)).length > 0 ? [guestWords(guest)] : [],
    ),
    someFound(unseen, async (vmid) =>
      (await isTaken(cluster, vmid)) ? [`guest ${vmid} (which the token may not see)`] : [],
    ),
  ]);
  const users = [...uses, ...hidden];
  if (users.length === 0) return { volumes: volumes.length, ...unlooked(unread) };
  throw refuser(cluster.name)(
    'CONFLICT',
    `The storage ${quoted(storage)} has disks of ${someOf(users)}.`,
    'Move or delete these first; update_storage with enabled: false only stops its use.',
  );
}

/** A node that is gone for good keeps nobody from taking its storage away, but it has to be said. */
function unlooked(unread: Awaited<ReturnType<typeof readContents>>['unread']): { problem?: string } {
  if (unread.length === 0) return {};
  const where = unread.map(({ node, problem }) => `${quoted(node)} (${problem.replace(/\.$/, '')})`);
  return { problem: `What is on it could not be looked at on ${someOf(where)}.` };
}

async function jobsOn(cluster: GatedCluster, storage: string): Promise<string[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/cluster/backup` });
  return rowsOf(data).flatMap((job) => (job.storage === storage ? [String(job.id)] : []));
}

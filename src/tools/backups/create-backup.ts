import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { storageFor, storageParam } from '../defaults.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { someOf } from '../fleet.ts';
import { type GuestTarget, guestParams, guestTarget } from '../guest-target.ts';
import { guestNames } from '../inventories.ts';
import { selectedFields, selectionOf } from '../params.ts';
import { compact, count, noted, textOf } from '../results.ts';
import { TASK_CALLS, taskDeadline, waitParam } from '../task.ts';
import { archiveRow, shownArchive } from './archive-row.ts';
import { ARCHIVE_CALLS, type Archive, readArchives } from './archives.ts';
import { guestListParam, guestTargets } from './guest-list.ts';
import { type NodeRequest, nodesInWords, nodeTasks, runOnNodes } from './several.ts';
import {
  bandwidthParam,
  compressParam,
  modeParam,
  notesParam,
  notesTemplate,
  requireBackupStorage,
} from './vzdump.ts';

const input = z.strictObject({
  ...guestParams,
  guests: guestListParam.describe('Several: VMIDs or names, in place of vmid and name.'),
  storage: storageParam,
  mode: modeParam.default('snapshot'),
  compress: compressParam.default('zstd'),
  notes: notesParam.default('{{guestname}}').describe('Also {{vmid}}, {{node}}, {{cluster}}.'),
  protected: z.boolean().default(false),
  bwlimit: bandwidthParam,
  wait_seconds: waitParam,
});

type Args = z.output<typeof input>;

export const createBackup = defineTool({
  name: 'create_backup',
  title: 'Back guests up now',
  description: 'Backs one guest or several up now (vzdump). Prunes no older backup.',
  toolset: 'backups',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ...['qemu', 'lxc'].map((type) => ['GET', `/nodes/{node}/${type}/{vmid}/status/current`] as const),
    [
      'POST',
      '/nodes/{node}/vzdump',
      ...['vmid', 'storage', 'mode', 'compress', 'notes-template', 'protected', 'bwlimit', 'remove'],
    ],
    ...ARCHIVE_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...selectedFields,
    guests: z.array(z.object({ vmid: z.int(), name: z.string().optional(), node: z.string() })),
    tasks: nodeTasks,
    backups: z.array(archiveRow).optional(),
    note: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const targets = await targetsOf(context, args);
    const cluster = targets[0]?.cluster;
    if (cluster === undefined) throw new Error('no guest was resolved');
    await refuseLocked(cluster, targets);
    const requests = await requestsFor(cluster, targets, args);
    const before = await newVolumes(cluster, targets, requests);
    const tasks = await runOnNodes(cluster, requests, args.wait_seconds, context);
    const isOver = tasks.every(({ task }) => task?.status !== 'running' && task?.status !== 'unknown');
    const made = isOver && before !== undefined ? await newVolumes(cluster, targets, requests, before) : [];
    const names = guestNames(await cluster.inventory());
    return {
      ...selectionOf(cluster),
      guests: targets.map(({ guest: { vmid, name, node } }) => ({ vmid, ...compact({ name }), node })),
      tasks,
      ...(made?.length
        ? { backups: made.map((archive) => shownArchive(archive, names, context.now())) }
        : {}),
      ...noted(
        made === undefined ? 'The new backups could not be listed; list_backups shows them.' : undefined,
      ),
    };
  },
  summary({ cluster, guests, tasks, backups }) {
    const [only] = guests;
    const whom =
      guests.length === 1 && only !== undefined
        ? `${only.vmid}${only.name === undefined ? '' : ` (${quoted(only.name)})`}`
        : count(guests.length, 'guest');
    const made =
      backups === undefined
        ? 'was started'
        : `made ${someOf(backups.map(({ volid = '' }) => quoted(volid)))}`;
    return `The backup of ${whom} of ${cluster} ${made}.${nodesInWords(tasks)}`;
  },
});

async function targetsOf(
  context: ToolContext,
  { cluster, vmid, name, guests }: Args,
): Promise<GuestTarget[]> {
  if (guests === undefined) return [await guestTarget(context, { cluster, vmid, name })];
  if (vmid === undefined && name === undefined) return guestTargets(context, cluster, guests);
  throw new CallError('INVALID_ARGUMENTS', '`guests` is given beside vmid or name.', {
    hint: 'Name one guest by vmid or name, or several in `guests`. Nothing was sent.',
  });
}

/** vzdump would fail for a locked guest, and say so only in its log. */
async function refuseLocked(cluster: GatedCluster, targets: readonly GuestTarget[]): Promise<void> {
  const locks = await Promise.all(
    targets.map(async ({ guest, at }) => {
      const { data } = await cluster.request({ method: 'GET', path: at('status', 'current') });
      const lock = isObject(data) ? textOf(data.lock) : undefined;
      return lock === undefined ? [] : [`${guest.vmid} (${quoted(lock)})`];
    }),
  );
  const locked = locks.flat();
  if (locked.length === 0) return;
  throw new CallError('CONFLICT', `These guests of ${cluster.name} are locked: ${someOf(locked)}.`, {
    cluster: cluster.name,
    hint: 'Something else works on them: list_tasks shows what. Nothing was sent.',
  });
}

/** One backup for each node that has guests of these: vzdump saves those of its own node alone. */
async function requestsFor(
  cluster: GatedCluster,
  targets: readonly GuestTarget[],
  args: Args,
): Promise<NodeRequest[]> {
  const inventory = await cluster.inventory();
  const groups = Map.groupBy(targets, ({ guest }) => guest.node);
  return Promise.all(
    [...groups].map(async ([node, here]) => {
      const storage = await storageFor(cluster, args.storage, { node, content: 'backup' });
      requireBackupStorage(cluster.name, inventory, storage, node);
      const data = {
        vmid: here.map(({ guest }) => guest.vmid).join(','),
        storage,
        mode: args.mode,
        compress: args.compress,
        'notes-template': notesTemplate(args.notes),
        protected: args.protected || undefined,
        bwlimit: args.bwlimit,
        // As "Backup now" of the web interface does: what is kept is for prune_backups and the jobs to say.
        remove: 0,
      };
      const path = apiPath`/nodes/${node}/vzdump`;
      return { node, request: { method: 'POST', path, data, expectName: args.name } };
    }),
  );
}

/** @returns the guests' backups where these are written, without those known before; undefined where not readable */
async function newVolumes(
  cluster: GatedCluster,
  targets: readonly GuestTarget[],
  requests: readonly NodeRequest[],
  before: readonly Archive[] = [],
): Promise<Archive[] | undefined> {
  const known = new Set(before.map(({ volid }) => volid));
  const vmids = new Set<number | undefined>(targets.map(({ guest }) => guest.vmid));
  const only = targets.length === 1 ? targets[0]?.guest.vmid : undefined;
  const lists = await Promise.all(
    requests.map(({ node, request }) =>
      readArchives(cluster, { node, storage: textOf(request.data?.storage), vmid: only }).catch(
        () => undefined,
      ),
    ),
  );
  if (lists.some((list) => list === undefined || list.unread.length > 0)) return undefined;
  const archives = lists.flatMap((list) => list?.archives ?? []);
  // A shared storage is read once for each node.
  const once = new Map(archives.map((archive) => [archive.volid, archive]));
  return [...once.values()].filter(({ vmid, volid }) => vmids.has(vmid) && !known.has(volid));
}

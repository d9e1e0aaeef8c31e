import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import type { GuestRow } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { ACCESS_LIST_CALLS, type PoolMembers, poolMembers, readAccess } from './access-lists.ts';

const membersParam = z
  .array(z.union([z.int(), textParam()]))
  .max(500)
  .optional();
const storagesParam = z.array(textParam(100)).max(100).optional();

const input = z.strictObject({
  cluster: clusterParam,
  pool: textParam(),
  comment: z.string().max(2048).optional(),
  add_guests: membersParam.describe('VMIDs or names.'),
  remove_guests: membersParam,
  add_storages: storagesParam,
  remove_storages: storagesParam,
  move: z.boolean().default(false).describe('Take guests out of other pools.'),
});

type Args = z.output<typeof input>;

export const savePool = defineTool({
  name: 'save_pool',
  title: 'Create or change a pool',
  description: 'Creates a pool, or changes its comment and which guests and storages are in it.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/pools', 'poolid', 'comment'],
    ['PUT', '/pools', 'poolid', 'comment', 'vms', 'storage', 'delete', 'allow-move'],
    ...ACCESS_LIST_CALLS.filter(([, path]) => path === '/pools' || path === '/cluster/resources'),
  ],
  input,
  output: z.object({
    ...selectedFields,
    created: z.boolean(),
    pool: z.string(),
    guests: z.array(z.int()).optional(),
    storages: z.array(z.string()).optional(),
  }),
  async run(args, context) {
    const { pool } = args;
    const cluster = context.cluster(args.cluster).alone();
    const created = !(await readAccess(cluster, 'pools')).some(({ name }) => name === pool);
    const members = created ? { guests: [], storages: [] } : await poolMembers(cluster, pool);
    const { guests } = await cluster.inventory({ fresh: true });
    const requests = requestsOf(args, created, changesOf(cluster, args, members, guests));
    if (requests.length === 0) {
      throw refuser(cluster.name)(
        'INVALID_ARGUMENTS',
        `${quoted(pool)} is so already.`,
        'Pass what is to be changed.',
      );
    }
    await cluster.approve(requests);
    for (const request of requests) await cluster.request(request);
    // It is done, whatever becomes of the reading.
    const now = await poolMembers(cluster, pool).catch(() => ({}));
    return { ...selectionOf(cluster), created, pool, ...now };
  },
  summary({ cluster, created, pool, guests, storages }) {
    const done = `The pool ${quoted(pool)} of ${cluster} was ${created ? 'created' : 'changed'}`;
    if (guests === undefined || storages === undefined) return `${done}; its members could not be read.`;
    return `${done}; in it: ${someOf([...guests.map(String), ...storages.map(quoted)], 20) || 'nothing'}.`;
  },
});

interface Changes {
  add: PoolMembers;
  remove: PoolMembers;
}

/** What is so already is left out. @throws CallError for guests that there are not, or that are in another pool */
function changesOf(
  cluster: GatedCluster,
  args: Args,
  members: PoolMembers,
  guests: readonly GuestRow[],
): Changes {
  const wanted = args.add_guests?.map((guest) => guestOf(cluster, guest, guests)) ?? [];
  const elsewhere = wanted.filter(({ pool }) => pool !== undefined && pool !== args.pool);
  if (elsewhere.length > 0 && !args.move) {
    throw refuser(cluster.name)(
      'CONFLICT',
      `Guests are in other pools: ${someOf(elsewhere.map(({ vmid, pool }) => `${vmid} in ${quoted(pool ?? '')}`))}.`,
      'Pass `move: true` to take them out of those.',
    );
  }
  const { remove_guests = [], add_storages = [], remove_storages = [] } = args;
  // A guest that was deleted may be a member still.
  const gone = remove_guests.map((guest) =>
    typeof guest === 'number' && members.guests.includes(guest)
      ? guest
      : guestOf(cluster, guest, guests).vmid,
  );
  return {
    add: {
      guests: wanted.map(({ vmid }) => vmid).filter((vmid) => !members.guests.includes(vmid)),
      storages: add_storages.filter((storage) => !members.storages.includes(storage)),
    },
    remove: {
      guests: gone.filter((vmid) => members.guests.includes(vmid)),
      storages: remove_storages.filter((storage) => members.storages.includes(storage)),
    },
  };
}

function guestOf(cluster: GatedCluster, wanted: number | string, guests: readonly GuestRow[]): GuestRow {
  const found = guests.filter(
    ({ vmid, name }) =>
      vmid === wanted || name === wanted || (typeof wanted === 'string' && String(vmid) === wanted),
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const label = quoted(String(wanted));
  throw refuser(cluster.name)(
    only === undefined ? 'NOT_FOUND' : 'INVALID_ARGUMENTS',
    only === undefined
      ? `${cluster.name} has no guest ${label}.`
      : `Several guests are called ${label}: ${someOf(found.map(({ vmid }) => String(vmid)))}.`,
    only === undefined ? 'find_guests looks for one by a part of its name.' : 'Pass the VMID.',
  );
}

function requestsOf(args: Args, created: boolean, { add, remove }: Changes): GateRequest[] {
  const { pool, comment, move } = args;
  const put = (data: Record<string, unknown>): GateRequest => ({
    method: 'PUT',
    path: apiPath`/pools`,
    data: { poolid: pool, ...data },
  });
  const isAny = ({ guests, storages }: PoolMembers) => guests.length + storages.length > 0;
  const lists = ({ guests, storages }: PoolMembers) => ({
    vms: guests.length === 0 ? undefined : guests.join(','),
    storage: storages.length === 0 ? undefined : storages.join(','),
  });
  const requests: GateRequest[] = [];
  if (created) requests.push({ method: 'POST', path: apiPath`/pools`, data: { poolid: pool, comment } });
  else if (comment !== undefined) requests.push(put({ comment }));
  if (isAny(remove)) requests.push(put({ ...lists(remove), delete: true }));
  if (isAny(add)) requests.push(put({ ...lists(add), 'allow-move': move || undefined }));
  return requests;
}

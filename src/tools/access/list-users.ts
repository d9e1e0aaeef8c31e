import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { defineTool, READS } from '../define.ts';
import { remarks } from '../fleet.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { compact, count, noted, rowsOf, textOf } from '../results.ts';
import { namesOf, readUsers, shownUser, USER_CALLS, userRow } from './users.ts';

const BY_NAME: Order<Json> = {
  value: (row) => String(row.userid),
  id: (row) => String(row.userid),
  descending: false,
};

export const listUsers = defineTool({
  name: 'list_users',
  title: 'List users',
  description:
    'Lists users with their groups, whether they may log in, kinds of second factors and how many tokens.',
  toolset: 'access',
  annotations: READS,
  calls: [...USER_CALLS, ['GET', '/access/tfa']],
  input: z.strictObject({
    cluster: clusterParam,
    search: textParam().optional().describe('Part of the id, name, email or comment.'),
    group: textParam().optional(),
    ...listParams(50, 500),
  }),
  output: z.object({
    ...selectedFields,
    users: z.array(userRow),
    total: z.int(),
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const cluster = context.cluster(args.cluster);
    const [users, factors] = await Promise.all([readUsers(cluster), secondFactors(cluster)]);
    const fitting = users.filter(
      (row) =>
        (args.group === undefined || namesOf(row.groups).includes(args.group)) && isFound(row, args.search),
    );
    const { rows, next_cursor, note } = pageOf(
      [{ cluster: cluster.name, rows: fitting }],
      BY_NAME,
      { args, isAll: false, columns: Object.keys(userRow.shape), beside: {} },
      (row) => ({ ...shownUser(row, context.now()), ...factors.of(String(row.userid), context.now()) }),
    );
    return {
      ...selectionOf(cluster),
      users: rows,
      total: fitting.length,
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(note, factors.problem),
    };
  },
  summary(answer) {
    const { cluster, users, total } = answer;
    return `${cluster}: ${count(total, 'user')}${showing(users, answer)}.${remarks(answer)}`;
  },
});

function isFound(row: Json, search: string | undefined): boolean {
  if (search === undefined) return true;
  const wanted = search.toLowerCase();
  return ['userid', 'firstname', 'lastname', 'email', 'comment'].some((key) =>
    textOf(row[key])?.toLowerCase().includes(wanted),
  );
}

/** The lesser part: where it can't be read, the users are listed without. */
async function secondFactors(cluster: GatedCluster) {
  try {
    const { data } = await cluster.request({ method: 'GET', path: apiPath`/access/tfa` });
    const byUser = new Map(rowsOf(data).map((row) => [row.userid, row]));
    return { of: (user: string, now: number) => factorsOf(byUser.get(user), now), problem: undefined };
  } catch (error) {
    const { message } = toCallError(error);
    return { of: () => ({}), problem: `Second factors could not be read: ${message}` };
  }
}

function factorsOf(row: Json | undefined, now: number) {
  const kinds = rowsOf(row?.entries)
    .filter(({ enable }) => enable === undefined || isTrue(enable))
    .map(({ type }) => String(type));
  const until = Number(row?.['tfa-locked-until'] ?? 0) * 1000;
  const locked = isTrue(row?.['totp-locked']) || until > now ? (true as const) : undefined;
  return compact({ second_factors: [...new Set(kinds)], locked });
}

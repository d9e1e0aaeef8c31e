import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { defineTool, READS } from '../define.ts';
import { remarks } from '../fleet.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { compact, count, noted, rowsOf, textOf } from '../results.ts';
import { expiry, tokenRow, userParam } from './identity.ts';
import { readUsers, USER_CALLS } from './users.ts';

interface Token {
  token: string;
  row: Json;
}

const BY_NAME: Order<Token> = { value: ({ token }) => token, id: ({ token }) => token, descending: false };

export const listTokens = defineTool({
  name: 'list_tokens',
  title: 'List API tokens',
  description: 'Lists API tokens of one user or all, with expiry. Secrets can be shown by nothing.',
  toolset: 'access',
  annotations: READS,
  calls: [...USER_CALLS, ['GET', '/access/users/{userid}/token']],
  input: z.strictObject({ cluster: clusterParam, user: userParam.optional(), ...listParams(50, 500) }),
  output: z.object({ ...selectedFields, tokens: z.array(tokenRow), total: z.int(), ...pagingFields }),
  async run(args, context) {
    checkCursor(args);
    const cluster = context.cluster(args.cluster);
    const tokens = await readTokens(cluster, args.user);
    const { rows, next_cursor, note } = pageOf(
      [{ cluster: cluster.name, rows: tokens }],
      BY_NAME,
      { args, isAll: false, columns: Object.keys(tokenRow.shape), beside: {} },
      ({ token, row }) => shownToken(token, row, context.now()),
    );
    return {
      ...selectionOf(cluster),
      tokens: rows,
      total: tokens.length,
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(note),
    };
  },
  summary(answer) {
    const { cluster, tokens, total } = answer;
    return `${cluster}: ${count(total, 'API token')}${showing(tokens, answer)}.${remarks(answer)}`;
  },
});

/** The list of users has all tokens that may be seen. @throws CallError */
export async function readTokens(cluster: GatedCluster, user: string | undefined): Promise<Token[]> {
  if (user !== undefined) {
    const { data } = await cluster.request({ method: 'GET', path: apiPath`/access/users/${user}/token` });
    return rowsOf(data).map((row) => ({ token: `${user}!${row.tokenid}`, row }));
  }
  return (await readUsers(cluster)).flatMap(({ userid, tokens }) =>
    rowsOf(tokens).map((row) => ({ token: `${userid}!${row.tokenid}`, row })),
  );
}

export function shownToken(token: string, row: Json, now: number): z.output<typeof tokenRow> {
  const { privsep } = row;
  return compact({
    token,
    privsep: privsep === undefined ? undefined : isTrue(privsep),
    ...expiry(row.expire, now),
    comment: textOf(row.comment),
  });
}

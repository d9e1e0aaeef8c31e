import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { refuser } from '../refusals.ts';
import { requireVersion } from '../versions.ts';
import { secretOf } from './create-token.ts';
import { expireParam, expireSeconds, tokenParam, tokenParts, tokenRow } from './identity.ts';
import { readTokens, shownToken } from './list-tokens.ts';

const PATH = '/access/users/{userid}/token/{tokenid}';

export const updateToken = defineTool({
  name: 'update_token',
  title: 'Change an API token',
  description:
    'Changes an API token; `regenerate` (Proxmox VE 9) gives it a new secret and ends the old one.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['PUT', PATH, 'comment', 'expire', 'privsep', 'regenerate'],
    ['GET', '/access/users/{userid}/token'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    token: tokenParam,
    privsep: z.boolean().optional(),
    expire: expireParam.optional(),
    comment: z.string().max(2048).optional(),
    regenerate: z.boolean().default(false),
  }),
  output: z.object({ ...selectedFields, token: tokenRow, secret: z.string().optional() }),
  async run({ cluster: named, token, privsep, expire: until, comment, regenerate }, context) {
    const given = { comment, expire: expireSeconds(until, context.now()), privsep };
    const { user, name } = tokenParts(token);
    const cluster = context.cluster(named).alone();
    if (regenerate) {
      await requireVersion(cluster, 'PUT', PATH, {
        what: '`regenerate`',
        isOne: true,
        since: '9',
        parameter: 'regenerate',
      });
    } else if (Object.values(given).every((value) => value === undefined)) {
      throw refuser(cluster.name)('INVALID_ARGUMENTS', 'Nothing is to be changed.', 'Pass what is.');
    }
    await requireToken(cluster, token);
    const data = { ...given, regenerate: regenerate || undefined };
    const path = apiPath`/access/users/${user}/token/${name}`;
    const { data: answer } = await cluster.request({ method: 'PUT', path, data });
    const secret = regenerate ? { secret: secretOf(answer, cluster.name) } : {};
    // The secret is told once: nothing that fails from here on may keep it back.
    const row = await requireToken(cluster, token).catch(() => given);
    return { ...selectionOf(cluster), token: shownToken(token, row, context.now()), ...secret };
  },
  summary({ cluster, token, secret }) {
    const next =
      secret === undefined
        ? ''
        : ' The old secret is of no use any more; the new one is in `secret` and will not be shown again.';
    return `The API token ${quoted(token.token ?? '')} of ${cluster} was changed.${next}`;
  },
});

/** @throws CallError NOT_FOUND */
async function requireToken(cluster: GatedCluster, token: string) {
  const found = (await readTokens(cluster, tokenParts(token).user)).find((one) => one.token === token);
  if (found !== undefined) return found.row;
  throw refuser(cluster.name)(
    'NOT_FOUND',
    `${cluster.name} has no API token ${quoted(token)}.`,
    'list_tokens shows those there are.',
  );
}

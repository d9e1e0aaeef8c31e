import { z } from 'zod';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { refuser } from '../refusals.ts';
import { textOf } from '../results.ts';
import { expireParam, expireSeconds, tokenParam, tokenParts, tokenRow } from './identity.ts';
import { readTokens, shownToken } from './list-tokens.ts';

export const createToken = defineTool({
  name: 'create_token',
  title: 'Create an API token',
  description:
    'Creates an API token. Its `secret` is in this answer alone and recorded nowhere: hand it to who needs it.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/access/users/{userid}/token/{tokenid}', 'comment', 'expire', 'privsep'],
    ['GET', '/access/users/{userid}/token'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    token: tokenParam,
    privsep: z.boolean().default(true).describe("false: all its user's rights."),
    expire: expireParam.optional().describe('RFC 3339, or never, the default.'),
    comment: z.string().max(2048).optional(),
  }),
  output: z.object({ ...selectedFields, token: tokenRow, secret: z.string() }),
  async run({ cluster: named, token, privsep, expire: until, comment }, context) {
    const expire = expireSeconds(until, context.now());
    const { user, name } = tokenParts(token);
    const cluster = context.cluster(named).alone();
    // Proxmox, too, refuses a second one; but after a person was asked for it.
    if ((await readTokens(cluster, user)).some((one) => one.token === token)) {
      throw refuser(cluster.name)(
        'CONFLICT',
        `${cluster.name} has a token ${quoted(token)} already.`,
        'Choose another name; update_token with regenerate: true gives this one a new secret.',
      );
    }
    const path = apiPath`/access/users/${user}/token/${name}`;
    const { data } = await cluster.request({ method: 'POST', path, data: { privsep, expire, comment } });
    const secret = secretOf(data, cluster.name);
    const row = { privsep, expire, comment };
    return { ...selectionOf(cluster), token: shownToken(token, row, context.now()), secret };
  },
  summary({ cluster, token }) {
    const { token: id = '', privsep, expires_at } = token;
    const until = expires_at === undefined ? 'It never expires.' : `It expires at ${expires_at}.`;
    const next = privsep
      ? ' It may do nothing yet: set_acl grants it roles, of which its user has to have all.'
      : '';
    return `The API token ${quoted(id)} of ${cluster} was created; its secret is in \`secret\` and will not be shown again. ${until}${next}`;
  },
});

/** @throws CallError UPSTREAM_ERROR where the answer has none: the token is of no use then */
export function secretOf(data: unknown, cluster: string): string {
  const secret = isObject(data) ? textOf(data.value) : undefined;
  if (secret !== undefined) return secret;
  throw new CallError('UPSTREAM_ERROR', 'Proxmox VE made the token and told no secret.', {
    cluster,
    hint: 'Delete the token with delete_access, and create another.',
  });
}

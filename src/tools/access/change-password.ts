import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { refuser } from '../refusals.ts';
import { userParam } from './identity.ts';
import { REALM_CALLS, readRealms, realmType } from './users.ts';

export const changePassword = defineTool({
  name: 'change_password',
  title: 'Change a password',
  description:
    'Sets the password of a user of the realms pve and pam. Proxmox lets no API token do it: the cluster has to be set up with a password login.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [['PUT', '/access/password', 'userid', 'password', 'confirmation-password'], ...REALM_CALLS],
  input: z.strictObject({
    cluster: clusterParam,
    user: userParam,
    password: z.string().min(8).max(64),
    confirmation_password: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .describe("Of this service's own user, unless that is root@pam."),
  }),
  output: z.object({ ...selectedFields, user: z.string() }),
  async run({ cluster: named, user, password, confirmation_password }, context) {
    const cluster = context.cluster(named).alone();
    const kind = realmType(cluster, await readRealms(cluster), user);
    if (kind !== 'pve' && kind !== 'pam') {
      throw refuser(cluster.name)(
        'INVALID_ARGUMENTS',
        `The realm of ${quoted(user)} is of type ${quoted(kind)}, which keeps its passwords itself.`,
        'Change it there.',
      );
    }
    const data = { userid: user, password, 'confirmation-password': confirmation_password };
    await cluster.request({ method: 'PUT', path: apiPath`/access/password`, data });
    return { ...selectionOf(cluster), user };
  },
  summary: ({ cluster, user }) => `The password of ${quoted(user)} of ${cluster} was changed.`,
});

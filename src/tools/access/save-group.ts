import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { readAccess } from './access-lists.ts';

export const saveGroup = defineTool({
  name: 'save_group',
  title: 'Create or change a group',
  description: 'Creates a group of users, or changes its comment. save_user puts users into it.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/access/groups', 'groupid', 'comment'],
    ['PUT', '/access/groups/{groupid}', 'comment'],
    ['GET', '/access/groups'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    group: textParam(),
    comment: z.string().max(2048).optional(),
  }),
  output: z.object({ ...selectedFields, created: z.boolean(), group: z.string() }),
  async run({ cluster: named, group, comment }, context) {
    const cluster = context.cluster(named).alone();
    const created = !(await readAccess(cluster, 'groups')).some(({ name }) => name === group);
    await cluster.request(
      created
        ? { method: 'POST', path: apiPath`/access/groups`, data: { groupid: group, comment } }
        : { method: 'PUT', path: apiPath`/access/groups/${group}`, data: { comment } },
    );
    return { ...selectionOf(cluster), created, group };
  },
  summary: ({ cluster, created, group }) =>
    `The group ${quoted(group)} of ${cluster} was ${created ? 'created; set_acl gives it rights' : 'changed'}.`,
});

import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { REALM_CALLS, readRealms, realmType } from './users.ts';

const REMOVABLE = ['entry', 'properties', 'acl'] as const;

export const syncRealm = defineTool({
  name: 'sync_realm',
  title: 'Synchronise a realm',
  description:
    "Brings users and groups of an LDAP or AD realm in; the task's log says what it did, or would.",
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/access/domains/{realm}/sync', 'dry-run', 'enable-new', 'remove-vanished', 'scope'],
    ...REALM_CALLS,
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    realm: textParam(32),
    dry_run: z.boolean().default(true),
    scope: z.enum(['users', 'groups', 'both']).default('both'),
    remove_vanished: z
      .array(z.enum(REMOVABLE))
      .optional()
      .describe('What goes of those the directory lacks.'),
    wait_seconds: waitParam,
  }),
  output: z.object({ ...selectedFields, realm: z.string(), dry_run: z.boolean(), task: taskField }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, realm, dry_run, scope, remove_vanished, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const type = realmType(cluster, await readRealms(cluster), `@${realm}`);
    if (type !== 'ldap' && type !== 'ad') {
      throw refuser(cluster.name)(
        'INVALID_ARGUMENTS',
        `The realm ${quoted(realm)} is of type ${quoted(type)}; only ldap and ad are synchronised.`,
        'list_access with kind realms shows the types.',
      );
    }
    const data = {
      'dry-run': dry_run,
      scope,
      'remove-vanished': remove_vanished?.length ? remove_vanished.join(';') : undefined,
    };
    const path = apiPath`/access/domains/${realm}/sync`;
    const outcome = await runTask(cluster, { method: 'POST', path, data }, wait_seconds, context);
    return { ...selectionOf(cluster), realm, dry_run, ...outcome };
  },
  summary({ cluster, realm, dry_run, task }) {
    const done = dry_run ? 'synchronised in a dry run that changes nothing' : 'synchronised';
    return taskSentence(`The realm ${quoted(realm)} of ${cluster}`, done, task);
  },
});

import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { didYouMean } from '../../config/nearest.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { type Role, readRoles } from './access-lists.ts';

export const saveRole = defineTool({
  name: 'save_role',
  title: 'Create or change a role',
  description: 'Creates a role of these privileges, or gives one exactly these; with `append` adds them.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/access/roles', 'roleid', 'privs'],
    ['PUT', '/access/roles/{roleid}', 'privs', 'append'],
    ['GET', '/access/roles'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    role: textParam(),
    privileges: z.array(textParam()).max(200).describe('Such as VM.PowerMgmt.'),
    append: z.boolean().default(false),
  }),
  output: z.object({
    ...selectedFields,
    created: z.boolean(),
    role: z.string(),
    privileges: z.array(z.string()),
    gained: z.array(z.string()),
    lost: z.array(z.string()),
  }),
  async run({ cluster: named, role, privileges, append }, context) {
    const cluster = context.cluster(named).alone();
    const present = await readRoles(cluster);
    requirePrivileges(cluster, present, privileges);
    const before = present.find((one) => one.role === role);
    if (before?.builtIn || /^PVE/i.test(role)) {
      throw refuser(cluster.name)(
        'INVALID_ARGUMENTS',
        `${quoted(role)} is a role of Proxmox itself, or named as those are, and can't be saved.`,
        'Choose a name that does not begin with PVE.',
      );
    }
    const privs = privileges.join(',');
    await cluster.request(
      before === undefined
        ? { method: 'POST', path: apiPath`/access/roles`, data: { roleid: role, privs } }
        : {
            method: 'PUT',
            path: apiPath`/access/roles/${role}`,
            data: { privs, append: append || undefined },
          },
    );
    const had = before?.privileges ?? [];
    const asked = append ? [...new Set([...had, ...privileges])] : privileges;
    // It is done, whatever becomes of the reading.
    const roles = await readRoles(cluster).catch(() => []);
    const after = roles.find((one) => one.role === role)?.privileges ?? asked;
    return {
      ...selectionOf(cluster),
      created: before === undefined,
      role,
      privileges: after,
      gained: after.filter((name) => !had.includes(name)),
      lost: had.filter((name) => !after.includes(name)),
    };
  },
  summary({ cluster, created, role, gained, lost }) {
    const what = `The role ${quoted(role)} of ${cluster}`;
    if (created) return `${what} was created with ${someOf(gained, 20) || 'no privilege'}.`;
    const more = gained.length === 0 ? '' : ` It gained ${someOf(gained, 20)}.`;
    const less = lost.length === 0 ? '' : ` It lost ${someOf(lost, 20)}.`;
    return `${what} was changed.${more}${less}${more + less === '' ? ' It has what it had.' : ''}`;
  },
});

/** Administrator has every privilege that the version knows. @throws CallError INVALID_ARGUMENTS */
function requirePrivileges(
  cluster: GatedCluster,
  roles: readonly Role[],
  privileges: readonly string[],
): void {
  const known = new Set(roles.flatMap((one) => one.privileges));
  const unknown = privileges.filter((name) => !known.has(name));
  const [first] = unknown;
  if (first === undefined || known.size === 0) return;
  throw refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    `${cluster.name} knows no privilege ${someOf(unknown.map((name) => inQuotes(name)))}.${didYouMean(first, known)}`,
    'list_access with kind roles shows the privileges there are.',
  );
}

import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { bound } from '../bounded.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { compact, count } from '../results.ts';
import { normalPath, readPermissions } from './acl.ts';

export const getPermissions = defineTool({
  name: 'get_permissions',
  title: 'Get effective permissions',
  description:
    "Tells what a user or token may do in the end, by path; of this service's own credential without `who`. With `path` and `needs` says what is missing.",
  toolset: 'access',
  annotations: READS,
  calls: [['GET', '/access/permissions', 'userid', 'path']],
  input: z.strictObject({
    cluster: clusterParam,
    who: textParam().optional().describe('User, or token (user@realm!name).'),
    path: textParam().optional().describe('Such as /vms/100.'),
    needs: z.array(textParam()).max(50).optional().describe('Privileges, such as VM.Backup.'),
  }),
  output: z.object({
    ...selectedFields,
    who: z.string().optional(),
    permissions: z.record(z.string(), z.array(z.string())),
    missing: z.array(z.string()).optional().describe('Of `needs`, on the path.'),
    total: z.int().describe('Paths, of which `permissions` may be a part.'),
  }),
  async run({ cluster: named, who, path, needs }, context) {
    const cluster = context.cluster(named);
    // What is needed is needed somewhere: at the root where no path says where.
    const wanted = path === undefined ? (needs === undefined ? undefined : '/') : normalPath(path);
    const found = await readPermissions(cluster, who, wanted);
    const held = wanted === undefined ? [] : (found.get(wanted) ?? []);
    return {
      ...selectionOf(cluster),
      ...compact({ who }),
      // That of a large site names every guest.
      permissions: bound(Object.fromEntries(found)).data as Record<string, string[]>,
      ...(needs === undefined ? {} : { missing: needs.filter((name) => !held.includes(name)) }),
      total: found.size,
    };
  },
  summary({ cluster, who: named, permissions, missing, total }) {
    const who = named === undefined ? "This service's credential" : quoted(named);
    if (missing !== undefined && missing.length > 0) {
      return `${who} lacks ${someOf(missing, 20)} on ${cluster}; set_acl grants a role that has it.`;
    }
    if (missing !== undefined) return `${who} has all that is needed on ${cluster}.`;
    const shown = Object.keys(permissions).length;
    const part = shown < total ? `, showing ${shown}; name a \`path\`` : '';
    return total === 0
      ? `${who} may do nothing there on ${cluster}.`
      : `${who} may do something on ${count(total, 'path')} of ${cluster}${part}.`;
  },
});

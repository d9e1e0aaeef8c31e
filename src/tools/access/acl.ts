import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject, isTrue } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { rowsOf } from '../results.ts';

export const ACL_CALLS = [['GET', '/access/acl']] as const;

export const aclRow = z
  .object({
    path: z.string(),
    who: z.string(),
    kind: z.enum(['user', 'group', 'token']),
    role: z.string(),
    propagate: z.boolean(),
    inherited: z.literal(true).describe('Stands above the path asked for.'),
  })
  .partial();

export interface AclEntry {
  path: string;
  who: string;
  kind: 'user' | 'group' | 'token';
  role: string;
  propagate: boolean;
}

/** Entries that the token sees: without Sys.Audit on /access those that it may change alone. @throws CallError */
export async function readAcl(cluster: GatedCluster): Promise<AclEntry[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/access/acl` });
  return rowsOf(data).map(({ path, ugid, type, roleid, propagate }) => ({
    path: String(path),
    who: String(ugid),
    kind: type === 'group' || type === 'token' ? type : 'user',
    role: String(roleid),
    propagate: isTrue(propagate),
  }));
}

/** Whether an entry stands on a path, or above it and hands down. */
export function holdsOn({ path, propagate }: AclEntry, wanted: string): boolean {
  return path === wanted || (propagate && (path === '/' || wanted.startsWith(`${path}/`)));
}

/** `/vms/100` of `vms/100/`, as Proxmox writes paths. */
export function normalPath(path: string): string {
  return `/${path.split('/').filter(Boolean).join('/')}`;
}

/**
 * What somebody may do, by path; of the service's own credential where nobody is named.
 *
 * @throws CallError
 */
export async function readPermissions(
  cluster: GatedCluster,
  who: string | undefined,
  path: string | undefined,
): Promise<Map<string, string[]>> {
  const data = { userid: who, path };
  const answer = await cluster.request({ method: 'GET', path: apiPath`/access/permissions`, data });
  const paths = Object.entries(isObject(answer.data) ? answer.data : {});
  return new Map(
    paths.map(([on, privileges]) => [on, Object.keys(isObject(privileges) ? privileges : {}).sort()]),
  );
}

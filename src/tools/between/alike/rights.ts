import { quoted } from '../../../proxmox/text.ts';
import { ACL_CALLS, type AclEntry, readAcl } from '../../access/acl.ts';
import { someOf } from '../../fleet.ts';
import { holdsEverywhere } from '../../inventory/compare-sources.ts';
import type { Site } from './definition.ts';

export const RIGHTS_CALLS = [...ACL_CALLS, ['GET', '/access/permissions']] as const;

/** What shows every access right there is; without it Proxmox lists those that the token may change. */
const SEES_ALL = { path: '/access', privileges: ['Sys.Audit'] };

/**
 * Whether somebody would lose rights with a role or a pool.
 *
 * @returns why it stays; undefined where nobody would
 * @throws CallError
 */
export async function rightsFor(
  { cluster, once }: Site,
  what: string,
  isOf: (entry: AclEntry) => boolean,
): Promise<string | undefined> {
  const [entries, permissions] = await Promise.all([
    once('acl', () => readAcl(cluster)),
    once('permissions', () => cluster.permissions()),
  ]);
  const users = entries.filter(isOf);
  if (users.length > 0) {
    const who = users.map(({ who, path }) => `${quoted(who)} on ${quoted(path)}`);
    return `Rights rest on ${what}: ${someOf(who)}.`;
  }
  if (holdsEverywhere(permissions, SEES_ALL)) return undefined;
  return `Whether rights rest on ${what} can't be seen: the token needs Sys.Audit on /access.`;
}

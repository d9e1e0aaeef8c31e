import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { didYouMean } from '../../config/nearest.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { count, noted } from '../results.ts';
import { readRoles } from './access-lists.ts';
import { ACL_CALLS, type AclEntry, aclRow, normalPath, readAcl, readPermissions } from './acl.ts';
import { subjectOf } from './identity.ts';

const input = z.strictObject({
  cluster: clusterParam,
  action: z.enum(['grant', 'revoke']),
  path: textParam().describe('Such as /, /vms/100, /pool/web, /storage/local.'),
  roles: z.array(textParam()).min(1).max(50),
  who: z.array(textParam()).min(1).max(50).describe('Users, groups, tokens (user@realm!name).'),
  propagate: z.boolean().default(true).describe('To what is below.'),
});

type Args = z.output<typeof input>;

export const setAcl = defineTool({
  name: 'set_acl',
  title: 'Grant or revoke rights',
  description:
    'Grants roles on a path, or revokes them, and shows which privileges were gained and lost. Entries on a path replace those inherited.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['PUT', '/access/acl', 'path', 'roles', 'users', 'groups', 'tokens', 'propagate', 'delete'],
    ['GET', '/access/roles'],
    ['GET', '/access/permissions', 'userid', 'path'],
    ...ACL_CALLS,
  ],
  input,
  output: z.object({
    ...selectedFields,
    action: z.enum(['grant', 'revoke']),
    path: z.string(),
    added: z.array(aclRow),
    removed: z.array(aclRow),
    effect: z
      .array(z.object({ who: z.string(), gained: z.array(z.string()), lost: z.array(z.string()) }))
      .describe('On the path; of users and tokens.'),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const path = normalPath(args.path);
    const cluster = context.cluster(args.cluster).alone();
    const subjects = args.who.map(subjectOf);
    await requireRoles(cluster, args.roles);
    const before = await standing(cluster, path, subjects);
    if (args.action === 'revoke') requireGranted(cluster, args, path, before.entries);
    await cluster.request({ method: 'PUT', path: apiPath`/access/acl`, data: dataOf(args, path, subjects) });
    // It is done, whatever becomes of the reading.
    const after = await standing(cluster, path, subjects).catch(() => undefined);
    const done = { ...selectionOf(cluster), action: args.action, path };
    if (after === undefined) {
      return {
        ...done,
        added: [],
        removed: [],
        effect: [],
        note: 'It was done; what changed could not be read.',
      };
    }
    const unread = subjects.filter(({ kind, id }) => kind !== 'group' && !after.privileges.has(id));
    return {
      ...done,
      added: missing(before.entries, after.entries),
      removed: missing(after.entries, before.entries),
      effect: effectOf(before.privileges, after.privileges),
      ...noted(
        unread.length === 0
          ? undefined
          : `What ${someOf(unread.map(({ id }) => quoted(id)))} may do now could not be read.`,
      ),
    };
  },
  summary({ cluster, action, path, added, removed, effect, note }) {
    const did = action === 'grant' ? `${entries(added.length)} added` : `${entries(removed.length)} removed`;
    const changes = effect.flatMap(({ who, gained, lost }) => [
      ...(gained.length === 0 ? [] : [`${quoted(who)} gained ${count(gained.length, 'privilege')}`]),
      ...(lost.length === 0 ? [] : [`${quoted(who)} lost ${someOf(lost, 12)}`]),
    ]);
    const change = changes.length === 0 ? '' : ` ${someOf(changes)}.`;
    return `${did} on ${quoted(path)} of ${cluster}.${change}${note ? ` ${note}` : ''}`;
  },
});

type Subject = ReturnType<typeof subjectOf>;

function dataOf({ action, roles, propagate }: Args, path: string, subjects: readonly Subject[]) {
  const named = (kind: Subject['kind']) => {
    const ids = subjects.filter((subject) => subject.kind === kind).map(({ id }) => id);
    return ids.length === 0 ? undefined : ids.join(',');
  };
  return {
    path,
    roles: roles.join(','),
    users: named('user'),
    groups: named('group'),
    tokens: named('token'),
    ...(action === 'grant' ? { propagate } : { delete: true }),
  };
}

/** @throws CallError INVALID_ARGUMENTS */
async function requireRoles(cluster: GatedCluster, wanted: readonly string[]): Promise<void> {
  const roles = (await readRoles(cluster)).map(({ role }) => role);
  const unknown = wanted.filter((role) => !roles.includes(role));
  const [first] = unknown;
  if (first === undefined) return;
  throw refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    `${cluster.name} has no role ${someOf(unknown.map((role) => inQuotes(role)))}.${didYouMean(first, roles)}`,
    `Its roles are: ${someOf(roles.sort(), 40)}.`,
  );
}

/** @throws CallError NOT_FOUND where nothing of it is granted here */
function requireGranted(
  cluster: GatedCluster,
  { roles, who }: Args,
  path: string,
  here: readonly AclEntry[],
): void {
  if (here.some(({ role }) => roles.includes(role))) return;
  throw refuser(cluster.name)(
    'NOT_FOUND',
    `No entry on ${quoted(path)} gives ${someOf(roles.map(quoted))} to ${someOf(who.map((one) => quoted(one)))}.`,
    'An inherited right is revoked where it stands: list_acl with `path` shows where.',
  );
}

/** The entries of these on the path itself, and what they may do there as far as that can be read. */
async function standing(cluster: GatedCluster, path: string, subjects: readonly Subject[]) {
  const asked = subjects.filter(({ kind }) => kind !== 'group');
  const [acl, ...found] = await Promise.all([
    readAcl(cluster),
    ...asked.map(async ({ id }) => {
      const on = await readPermissions(cluster, id, path).catch(() => undefined);
      return { id, privileges: on && (on.get(path) ?? []) };
    }),
  ]);
  const ids = new Set(subjects.map(({ id }) => id));
  return {
    entries: acl.filter((entry) => entry.path === path && ids.has(entry.who)),
    privileges: new Map(
      found.flatMap(({ id, privileges }) => (privileges === undefined ? [] : [[id, privileges]])),
    ),
  };
}

function effectOf(before: ReadonlyMap<string, string[]>, after: ReadonlyMap<string, string[]>) {
  return [...after].flatMap(([who, now]) => {
    const had = before.get(who);
    if (had === undefined) return [];
    const gained = now.filter((name) => !had.includes(name));
    const lost = had.filter((name) => !now.includes(name));
    return gained.length + lost.length === 0 ? [] : [{ who, gained, lost }];
  });
}

/** Entries of one list that the other lacks. */
function missing(from: readonly AclEntry[], of: readonly AclEntry[]): AclEntry[] {
  return of.filter((entry) => !from.some((other) => sameEntry(entry, other)));
}

function sameEntry(a: AclEntry, b: AclEntry): boolean {
  return a.who === b.who && a.role === b.role && a.propagate === b.propagate;
}

function entries(number: number): string {
  return number === 1 ? '1 entry was' : `${number} entries were`;
}

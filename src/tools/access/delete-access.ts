import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { type ApiPath, apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { compact } from '../results.ts';
import { ACCESS_LIST_CALLS, poolMembers, readAccess, readRoles } from './access-lists.ts';
import { ACL_CALLS, type AclEntry, readAcl } from './acl.ts';
import { subjectOf, tokenParts } from './identity.ts';
import { readTokens } from './list-tokens.ts';
import { namesOf, readUsers, USER_CALLS } from './users.ts';

const KINDS = ['user', 'group', 'role', 'realm', 'token', 'pool'] as const;
type Kind = (typeof KINDS)[number];

export const deleteAccess = defineTool({
  name: 'delete_access',
  title: 'Delete a user, group, role, realm, token or pool',
  description:
    'Deletes one of these with its access rights, and says what went with it: tokens of a user, users of a realm.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['DELETE', '/access/users/{userid}'],
    ['DELETE', '/access/groups/{groupid}'],
    ['DELETE', '/access/roles/{roleid}'],
    ['DELETE', '/access/domains/{realm}'],
    ['DELETE', '/access/users/{userid}/token/{tokenid}'],
    ['DELETE', '/pools', 'poolid'],
    ['GET', '/access/users/{userid}/token'],
    ...ACCESS_LIST_CALLS.filter(([, path]) => path !== '/access/domains/{realm}'),
    ...USER_CALLS,
    ...ACL_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    kind: z.enum(KINDS),
    name: textParam().describe('A user as name@realm, a token as user@realm!name.'),
  }),
  output: z.object({
    ...selectedFields,
    kind: z.enum(KINDS),
    name: z.string(),
    gone: z
      .object({
        tokens: z.array(z.string()),
        users: z.array(z.string()),
        members: z.array(z.string()),
        acl_entries: z.int(),
      })
      .partial()
      .describe('What went with it.'),
  }),
  async run({ cluster: named, kind, name }, context) {
    const cluster = context.cluster(named).alone();
    const [found, acl] = await Promise.all([
      dependents(cluster, kind, name),
      readAcl(cluster).catch(() => []),
    ]);
    if (found === undefined) {
      throw refuser(cluster.name)(
        'NOT_FOUND',
        `${cluster.name} has no ${kind} ${quoted(name)} that the token sees.`,
        kind === 'user'
          ? 'list_users shows those it sees.'
          : 'list_access and list_tokens show what there is.',
      );
    }
    await cluster.request({ method: 'DELETE', ...requestFor(kind, name) });
    const entries = acl.filter((entry) => isOf(entry, kind, name)).length;
    return {
      ...selectionOf(cluster),
      kind,
      name,
      gone: { ...found, ...compact({ acl_entries: entries || undefined }) },
    };
  },
  summary({ cluster, kind, name, gone }) {
    const { tokens = [], users = [], members = [], acl_entries } = gone;
    const with_ = [
      ...tokens.map((token) => `the token ${quoted(token)}`),
      ...users.map((user) => `the user ${quoted(user)}`),
      ...(acl_entries === undefined
        ? []
        : [`${acl_entries} access ${acl_entries === 1 ? 'entry' : 'entries'}`]),
    ];
    const lost = with_.length === 0 ? '' : ` With it went ${someOf(with_)}.`;
    const left = members.length === 0 ? '' : ` Its members stay: ${someOf(members.map(quoted))}.`;
    return `The ${kind} ${quoted(name)} of ${cluster} was deleted.${lost}${left}`;
  },
});

interface Dependents {
  tokens?: string[];
  users?: string[];
  members?: string[];
}

/** What hangs on it; undefined where there is no such thing. @throws CallError for what can't be deleted */
async function dependents(cluster: GatedCluster, kind: Kind, name: string): Promise<Dependents | undefined> {
  switch (kind) {
    case 'user':
      return userDependents(cluster, name);
    case 'group': {
      const group = (await readAccess(cluster, 'groups')).find((row) => row.name === name);
      return group && listOf('members', namesOf(group.members));
    }
    case 'role': {
      const role = (await readRoles(cluster)).find((row) => row.role === name);
      if (role?.builtIn) throw builtIn(cluster, kind, name);
      return role && {};
    }
    case 'realm': {
      const [realms, users] = await Promise.all([readAccess(cluster, 'realms'), readUsers(cluster)]);
      const realm = realms.find((row) => row.name === name);
      if (realm?.type === 'pam' || realm?.type === 'pve') throw builtIn(cluster, kind, name);
      const own = users.map(({ userid }) => String(userid)).filter((user) => user.endsWith(`@${name}`));
      return realm && listOf('users', own);
    }
    case 'token': {
      const tokens = subjectOf(name).kind === 'token' ? await readTokens(cluster, tokenParts(name).user) : [];
      return tokens.some(({ token }) => token === name) ? {} : undefined;
    }
    case 'pool': {
      const pools = await readAccess(cluster, 'pools');
      if (!pools.some((row) => row.name === name)) return undefined;
      await requireEmpty(cluster, name);
      return {};
    }
  }
}

async function userDependents(cluster: GatedCluster, name: string): Promise<Dependents | undefined> {
  if (name === 'root@pam') throw builtIn(cluster, 'user', name);
  const users = await readUsers(cluster);
  if (!users.some(({ userid }) => userid === name)) return undefined;
  return listOf(
    'tokens',
    (await readTokens(cluster, name)).map(({ token }) => token),
  );
}

/** @throws CallError CONFLICT that names the members */
async function requireEmpty(cluster: GatedCluster, pool: string): Promise<void> {
  const { guests, storages } = await poolMembers(cluster, pool);
  if (guests.length + storages.length === 0) return;
  throw refuser(cluster.name)(
    'CONFLICT',
    `The pool ${quoted(pool)} is not empty: ${someOf([...guests.map(String), ...storages.map(quoted)], 20)}.`,
    'Take its members out with save_pool first.',
  );
}

function listOf<Key extends keyof Dependents>(key: Key, names: string[]): Dependents {
  return names.length === 0 ? {} : { [key]: names };
}

function builtIn(cluster: GatedCluster, kind: Kind, name: string) {
  return refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    `The ${kind} ${quoted(name)} belongs to Proxmox itself and can't be deleted.`,
    'list_access and list_users show the others.',
  );
}

function requestFor(kind: Kind, name: string): { path: ApiPath; data?: Record<string, unknown> } {
  switch (kind) {
    case 'user':
      return { path: apiPath`/access/users/${name}` };
    case 'group':
      return { path: apiPath`/access/groups/${name}` };
    case 'role':
      return { path: apiPath`/access/roles/${name}` };
    case 'realm':
      return { path: apiPath`/access/domains/${name}` };
    case 'token': {
      const { user, name: own } = tokenParts(name);
      return { path: apiPath`/access/users/${user}/token/${own}` };
    }
    case 'pool':
      return { path: apiPath`/pools`, data: { poolid: name } };
  }
}

function isOf({ who, role, path }: AclEntry, kind: Kind, name: string): boolean {
  switch (kind) {
    case 'user':
      return who === name || who.startsWith(`${name}!`);
    case 'group':
    case 'token':
      return who === name;
    case 'role':
      return role === name;
    case 'realm':
      return who.endsWith(`@${name}`) || who.includes(`@${name}!`);
    case 'pool':
      return path === `/pool/${name}`;
  }
}

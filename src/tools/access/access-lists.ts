import type { GatedCluster } from '../../access/gate.ts';
import { isObject, isTrue, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { compact, rowsOf, textOf, withoutSecrets } from '../results.ts';
import { namesOf, readRealms } from './users.ts';

export const ACCESS_KINDS = ['groups', 'roles', 'realms', 'pools'] as const;
export type AccessKind = (typeof ACCESS_KINDS)[number];

export const ACCESS_LIST_CALLS = [
  ['GET', '/access/groups'],
  ['GET', '/access/roles'],
  ['GET', '/access/domains'],
  ['GET', '/access/domains/{realm}'],
  ['GET', '/pools', 'poolid'],
  ['GET', '/cluster/resources'],
] as const;

/** A row as answers show it; `name` is its own. */
export type AccessRow = Readonly<Record<string, unknown>> & { name: string };

/** What the token sees of one kind. @throws CallError */
export async function readAccess(cluster: GatedCluster, kind: AccessKind): Promise<AccessRow[]> {
  switch (kind) {
    case 'groups':
      return (await rowsAt(cluster, 'groups')).map(({ groupid, comment, users }) =>
        row(groupid, { comment, members: namesOf(users) }),
      );
    case 'roles':
      return (await readRoles(cluster)).map(({ role, builtIn, privileges }) =>
        row(role, { built_in: builtIn || undefined, privileges }),
      );
    case 'realms':
      return (await readRealms(cluster)).map(({ realm, type, comment, tfa, default: chosen }) =>
        row(realm, { type, comment, tfa, default: isTrue(chosen) || undefined }),
      );
    case 'pools':
      return readPools(cluster);
  }
}

/**
 * One of them, with what a list does not tell: the members of a pool, the options of a realm.
 *
 * @returns the row alone where that may not be read, and why
 */
export async function detailsOf(
  cluster: GatedCluster,
  kind: AccessKind,
  found: AccessRow,
): Promise<{ row: AccessRow; problem?: string }> {
  try {
    if (kind === 'pools') return { row: { ...found, ...(await poolMembers(cluster, found.name)) } };
    if (kind === 'realms') return { row: { ...found, options: await realmOptions(cluster, found.name) } };
    return { row: found };
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    return { row: found, problem: `Its details could not be read: ${code}: ${message}` };
  }
}

async function realmOptions(cluster: GatedCluster, realm: string): Promise<Record<string, unknown>> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/access/domains/${realm}` });
  const { digest: _digest, type: _type, comment: _comment, ...options } = isObject(data) ? data : {};
  return withoutSecrets('/access/domains/{realm}', options);
}

export interface Role {
  role: string;
  builtIn: boolean;
  privileges: string[];
}

export async function readRoles(cluster: GatedCluster): Promise<Role[]> {
  return (await rowsAt(cluster, 'roles')).map(({ roleid, special, privs }) => ({
    role: String(roleid),
    builtIn: isTrue(special),
    privileges: namesOf(privs).sort(),
  }));
}

export interface PoolMembers {
  guests: number[];
  storages: string[];
}

/** @throws CallError where there is no such pool */
export async function poolMembers(cluster: GatedCluster, pool: string): Promise<PoolMembers> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/pools`, data: { poolid: pool } });
  const members = rowsOf(rowsOf(data)[0]?.members);
  return {
    guests: members.flatMap(({ vmid }) => (typeof vmid === 'number' ? [vmid] : [])).sort((a, b) => a - b),
    // A storage that is not shared is a member on each node.
    storages: [
      ...new Set(members.flatMap(({ type, storage }) => (type === 'storage' ? [String(storage)] : []))),
    ].sort(),
  };
}

/** The list tells no members: those of guests are in the inventory, those of storages with the one pool. */
async function readPools(cluster: GatedCluster): Promise<AccessRow[]> {
  const [{ data }, { guests }] = await Promise.all([
    cluster.request({ method: 'GET', path: apiPath`/pools` }),
    cluster.inventory(),
  ]);
  const byPool = Map.groupBy(guests, ({ pool }) => pool);
  return rowsOf(data).map(({ poolid, comment }) =>
    row(poolid, {
      comment,
      guests: (byPool.get(String(poolid)) ?? []).map(({ vmid }) => vmid).sort((a, b) => a - b),
    }),
  );
}

async function rowsAt(cluster: GatedCluster, list: 'groups' | 'roles'): Promise<Json[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/access/${list}` });
  return rowsOf(data);
}

function row(name: unknown, rest: Readonly<Record<string, unknown>>): AccessRow {
  return { name: textOf(name) ?? '', ...compact(rest) };
}

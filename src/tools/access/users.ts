import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { expiry } from './identity.ts';

export const USER_CALLS = [['GET', '/access/users', 'full']] as const;
export const REALM_CALLS = [['GET', '/access/domains']] as const;

export const userRow = z
  .object({
    user: z.string(),
    enabled: z.boolean(),
    expires_at: z.string(),
    expired: z.literal(true),
    name: z.string(),
    email: z.string(),
    comment: z.string(),
    groups: z.array(z.string()),
    realm_type: z.string(),
    tokens: z.int().describe('How many.'),
    second_factors: z.array(z.string()).describe('Kinds; absent where they could not be read.'),
    locked: z.literal(true).describe('After too many wrong second factors.'),
  })
  .partial();

/** Those that the token sees: without User.Modify or Sys.Audit that is itself alone. */
export async function readUsers(cluster: GatedCluster): Promise<Json[]> {
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/access/users`,
    data: { full: true },
  });
  return rowsOf(data);
}

export async function readRealms(cluster: GatedCluster): Promise<Json[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/access/domains` });
  return rowsOf(data);
}

/** What Proxmox calls the kind of a user's realm. @throws CallError INVALID_ARGUMENTS that names the realms there are */
export function realmType(cluster: GatedCluster, realms: readonly Json[], user: string): string {
  const realm = user.slice(user.lastIndexOf('@') + 1);
  const found = realms.find((row) => row.realm === realm);
  if (found !== undefined) return textOf(found.type) ?? 'unknown';
  throw new CallError('INVALID_ARGUMENTS', `${cluster.name} has no realm ${inQuotes(realm)}.`, {
    cluster: cluster.name,
    hint: `Its realms are: ${someOf(realms.map((row) => String(row.realm)).sort(), 30)}. Nothing was sent.`,
  });
}

export function shownUser(row: Json, now: number): z.output<typeof userRow> {
  const { tokens } = row;
  return compact({
    user: textOf(row.userid),
    enabled: row.enable === undefined || isTrue(row.enable),
    ...expiry(row.expire, now),
    name: [row.firstname, row.lastname].flatMap((part) => textOf(part) ?? []).join(' '),
    email: textOf(row.email),
    comment: textOf(row.comment),
    groups: namesOf(row.groups),
    realm_type: textOf(row['realm-type']),
    tokens: Array.isArray(tokens) ? tokens.length : undefined,
  });
}

/** A list as Proxmox writes it. */
export function namesOf(list: unknown): string[] {
  if (Array.isArray(list)) return list.map(String);
  return typeof list === 'string' ? list.split(/[,;\s]+/).filter(Boolean) : [];
}

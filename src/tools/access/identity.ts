import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import { textParam, timeParam } from '../params.ts';
import { isoTime, numberOf } from '../results.ts';

const USER = /^[^\s:/!]+@[A-Za-z][\w.-]+$/;
const TOKEN = /^([^\s:/!]+@[A-Za-z][\w.-]+)!([A-Za-z][\w.-]+)$/;

export const userParam = textParam(64).refine((text) => USER.test(text), 'must be written as name@realm');
export const tokenParam = textParam(200)
  .refine((text) => TOKEN.test(text), 'must be written as user@realm!name')
  .describe('user@realm!name');

const moment = timeParam();

/** When something ends; PVE takes 0 for never. */
export const expireParam = textParam(40)
  .refine((text) => text === 'never' || moment.safeParse(text).success, 'must be an RFC 3339 time, or never')
  .describe('RFC 3339, or never.');

/** @param token as `tokenParam` takes it */
export function tokenParts(token: string): { user: string; name: string } {
  const [, user = '', name = ''] = TOKEN.exec(token) ?? [];
  return { user, name };
}

/** Whom an entry of the access control list is for; a group may be written as Proxmox' files do, with @. */
export function subjectOf(who: string): { kind: 'user' | 'group' | 'token'; id: string } {
  if (TOKEN.test(who)) return { kind: 'token', id: who };
  if (USER.test(who)) return { kind: 'user', id: who };
  return { kind: 'group', id: who.replace(/^@/, '') };
}

/**
 * Epoch seconds as PVE wants them.
 *
 * @throws CallError INVALID_ARGUMENTS for a moment that has passed
 */
export function expireSeconds(expire: string | undefined, now: number): number | undefined {
  if (expire === undefined) return undefined;
  if (expire === 'never') return 0;
  const at = Date.parse(expire);
  if (at > now) return Math.floor(at / 1000);
  throw new CallError('INVALID_ARGUMENTS', `${expire} has passed: it would be of no use from the start.`, {
    hint: 'Pass a later `expire`, or never. To shut out a user, pass enabled: false. Nothing was sent.',
  });
}

/** `expires_at` of a row, and whether that has passed; neither where it never does. */
export function expiry(expire: unknown, now: number): { expires_at?: string; expired?: true } {
  const seconds = numberOf(expire);
  if (!seconds) return {};
  return { expires_at: isoTime(seconds * 1000), ...(seconds * 1000 <= now ? { expired: true } : {}) };
}

export const tokenRow = z
  .object({
    token: z.string(),
    privsep: z.boolean().describe('Has only what its own ACL entries grant, too.'),
    expires_at: z.string(),
    expired: z.literal(true),
    comment: z.string(),
  })
  .partial();

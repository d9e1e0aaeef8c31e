import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { isTrue, type Json } from '../../catalogue/json.ts';
import { didYouMean } from '../../config/nearest.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError, type ErrorCode, toCallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { guestParams } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { isAddress } from './rule-checks.ts';
import { type RuleRow, readRules } from './rules.ts';
import { read, requireScope, type Scope, scopeFields } from './scope.ts';

/** What has a name and can be used in rules. */
export const OBJECT_KINDS = ['alias', 'ipset', 'group'] as const;
export type ObjectKind = (typeof OBJECT_KINDS)[number];

export const KIND_WORDS = { alias: 'alias', ipset: 'IP set', group: 'security group' } as const;

/** Of a guest, or without one of the datacenter. */
export const objectScopeParams = guestParams;

/** The name of an alias, a set or a group (pve-firewall: $ipset_name_pattern, $security_group_name_pattern). */
export const objectParam = textParam(64).refine(
  (text) => /^[A-Za-z][\w-]+$/.test(text),
  'must begin with a letter, and hold letters, digits, - and _ alone, at least two',
);

/** Where aliases and sets may be; groups are the datacenter's alone. */
export const OBJECT_HOMES = ['datacenter', 'qemu', 'lxc'] as const;

/** Which object is meant. */
export const namedObjectParams = { ...objectScopeParams, kind: z.enum(OBJECT_KINDS), object: objectParam };

/** The same in the answer. */
export const namedObjectFields = { ...scopeFields, kind: z.enum(OBJECT_KINDS), object: z.string() };

export const entryRow = z.object({
  cidr: z.string(),
  nomatch: z.boolean().optional(),
  comment: z.string().optional(),
});
export type EntryRow = z.output<typeof entryRow>;

/** @throws CallError INVALID_ARGUMENTS: groups are the datacenter's alone */
export function requireHome(scope: Scope, kind: string): void {
  requireScope(scope, kind === 'group' ? ['datacenter'] : ['datacenter', 'guest'], `Objects of kind ${kind}`);
}

export function collectionOf(scope: Scope, kind: ObjectKind) {
  if (kind === 'group') return apiPath`/cluster/firewall/groups`;
  return scope.at(kind === 'alias' ? 'aliases' : 'ipset');
}

/** @throws CallError */
export async function readObjects(scope: Scope, kind: ObjectKind): Promise<Json[]> {
  return rowsOf(await read(scope.cluster, collectionOf(scope, kind)));
}

export function nameOf(row: Json): string {
  return String(row.group ?? row.name);
}

/** @throws CallError NOT_FOUND with those that there are */
export async function requireObject(scope: Scope, kind: ObjectKind, name: string): Promise<Json> {
  const rows = await readObjects(scope, kind);
  const found = rows.find((row) => nameOf(row) === name);
  if (found !== undefined) return found;
  const names = rows.map(nameOf).sort();
  const what = `${scope.label} has no ${KIND_WORDS[kind]} ${inQuotes(name)}.${didYouMean(name, names)}`;
  throw refused(scope, 'NOT_FOUND', what, `It has: ${someOf(names, 30) || 'none'}.`);
}

/** @throws CallError */
export async function readEntries(scope: Scope, name: string): Promise<EntryRow[]> {
  return rowsOf(await read(scope.cluster, scope.at('ipset', name))).map((row) => ({
    cidr: String(row.cidr),
    ...compact({ nomatch: isTrue(row.nomatch) || undefined, comment: textOf(row.comment)?.trimEnd() }),
  }));
}

/**
 * Entries of a set as the configuration file has them: `10.0.0.0/8`, `!10.1.0.0/16` for what is none of it, and behind
 * `#` a comment.
 */
export const entriesParam = z
  .array(textParam(300).refine((text) => ENTRY.test(text), 'is no entry such as 10.0.0.0/8'))
  .min(1)
  .max(200)
  .optional();

const ENTRY = /^(!?)\s*([^\s#!]+)(?:\s+#\s*(.*))?$/;

/** @throws CallError INVALID_ARGUMENTS for what is neither an address nor the name of an alias */
export function entryOf(scope: Scope, text: string): EntryRow {
  const [, not, cidr = '', comment] = ENTRY.exec(text) ?? [];
  if (!isAddress(cidr) && !/^(?:(?:dc|guest)\/)?[A-Za-z][\w-]+$/.test(cidr)) {
    throw refused(
      scope,
      'INVALID_ARGUMENTS',
      `${inQuotes(cidr)} is no address, network or alias.`,
      'Correct it.',
    );
  }
  if (/\/0+$/.test(cidr)) {
    const hint = 'Leave source or dest of the rule out instead.';
    throw refused(scope, 'INVALID_ARGUMENTS', 'A set can not hold everything (/0).', hint);
  }
  return { cidr, ...(not === '!' ? { nomatch: true } : {}), ...compact({ comment }) };
}

/**
 * The rules that name an object, as far as they are near: those of the datacenter, of its groups and of the guest. A
 * datacenter's object may also be used by nodes and guests, which are not asked.
 */
export async function usersOf(scope: Scope, kind: ObjectKind, name: string): Promise<string[]> {
  const { cluster } = scope;
  const groups = scope.guest
    ? []
    : rowsOf(await read(cluster, apiPath`/cluster/firewall/groups`)).map(nameOf);
  const lists = await Promise.all([
    readRules(scope).then(({ rows }) => ({ of: 'rule', rows })),
    ...groups.map(async (group) => {
      const rows = rowsOf(await read(cluster, apiPath`/cluster/firewall/groups/${group}`));
      return { of: `rule of group ${group}:`, rows: rows as unknown as RuleRow[] };
    }),
  ]);
  return lists.flatMap(({ of, rows }) =>
    rows.flatMap((row, index) => (uses(row, kind, name) ? [`${of} ${index}`] : [])),
  );
}

function uses(
  rule: Pick<RuleRow, 'type' | 'action' | 'source' | 'dest'>,
  kind: ObjectKind,
  name: string,
): boolean {
  if (kind === 'group') return rule.type === 'group' && rule.action === name;
  const sign = kind === 'ipset' ? '+' : '';
  const forms = ['', 'dc/', 'guest/'].map((from) => `${sign}${from}${name}`.toLowerCase());
  const named = [rule.source, rule.dest].flatMap((text) => text?.toLowerCase().split(',') ?? []);
  return named.some((part) => forms.includes(part.trim()));
}

export function refused({ cluster }: Scope, code: ErrorCode, message: string, hint: string): CallError {
  return new CallError(code, message, {
    cluster: cluster.name,
    hint: `${hint} Nothing was sent.`,
    retryable: false,
  });
}

/** One approval for all, before the first; the answer to a failure says how far it came. */
export async function sendAll({ cluster }: Scope, requests: readonly GateRequest[]): Promise<void> {
  if (requests.length > 1) await cluster.approve(requests);
  let done = 0;
  for (const request of requests) {
    try {
      await cluster.request(request);
      done += 1;
    } catch (thrown) {
      if (done === 0) throw thrown;
      const { code, message, hint, retryable } = toCallError(thrown);
      throw new CallError(code, `${done} of ${requests.length} changes were made, then: ${message}`, {
        cluster: cluster.name,
        hint: `${hint} list_firewall_objects shows what there is now.`,
        retryable,
        cause: thrown,
      });
    }
  }
}

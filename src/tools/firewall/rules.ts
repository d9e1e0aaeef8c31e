import { z } from 'zod';
import { type Json, number } from '../../catalogue/json.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { textParam } from '../params.ts';
import { compact, count, rowsOf, textOf } from '../results.ts';
import { read, type Scope } from './scope.ts';

export const ruleRow = z.object({
  pos: z.int(),
  type: z.string(),
  action: z.string(),
  enable: z.boolean(),
  macro: z.string().optional(),
  proto: z.string().optional(),
  source: z.string().optional(),
  sport: z.string().optional(),
  dest: z.string().optional(),
  dport: z.string().optional(),
  icmp_type: z.string().optional(),
  iface: z.string().optional(),
  log: z.string().optional(),
  comment: z.string().optional(),
});

export type RuleRow = z.output<typeof ruleRow>;

/** The rules of a firewall in their order: the first that fits decides. */
export interface Rules {
  rows: RuleRow[];
  /** Of the whole list; an empty one has none. */
  digest: string | undefined;
}

/** Which rule is meant: its place alone says nothing once the list has shifted. */
export const expectedRuleParams = {
  pos: z.int().min(0),
  digest: textParam(64).optional(),
  expect: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .optional()
    .describe('Fields that the rule at `pos` has, such as its comment. This or `digest` is needed.'),
};

/** @throws CallError */
export async function readRules({ cluster, rules }: Scope): Promise<Rules> {
  const list = rowsOf(await read(cluster, rules()));
  return { rows: list.map(rowOf), digest: textOf(list[0]?.digest) };
}

export function rowOf(rule: Json, index: number): RuleRow {
  const { type, action, enable, pos } = rule;
  const word = (name: string): string | undefined =>
    rule[name] === undefined || rule[name] === null ? undefined : String(rule[name]);
  return {
    pos: number(pos) ?? index,
    type: String(type),
    action: String(action),
    enable: number(enable) !== 0,
    ...compact({
      macro: word('macro'),
      proto: word('proto'),
      source: word('source'),
      sport: word('sport'),
      dest: word('dest'),
      dport: word('dport'),
      icmp_type: word('icmp-type'),
      iface: word('iface'),
      log: word('log'),
      comment: word('comment')?.trimEnd(),
    }),
  };
}

/** The fields of a rule as the parameters of Proxmox. */
export function ruleData(rule: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(rule).filter(([name]) => name !== 'pos');
  return Object.fromEntries(
    entries.map(([name, value]) => [ruleParameter(name), typeof value === 'boolean' ? Number(value) : value]),
  );
}

export function ruleParameter(field: string): string {
  return field === 'icmp_type' ? 'icmp-type' : field;
}

interface Expected {
  pos: number;
  digest?: string | undefined;
  expect?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/**
 * The rule that is meant, certainly: lists shift whenever somebody adds a rule, as new ones come first.
 *
 * @returns the rule, and the digest that the write has to carry
 * @throws CallError INVALID_ARGUMENTS where nothing says which rule is expected; NOT_FOUND; CONFLICT where another rule
 *   stands there, with the place of the one that is meant
 */
export function requireRule(
  { rows, digest }: Rules,
  { pos, digest: given, expect = {} }: Expected,
  { cluster, label }: Scope,
): { rule: RuleRow; digest: string | undefined } {
  const refuse = (code: 'INVALID_ARGUMENTS' | 'NOT_FOUND' | 'CONFLICT', message: string, hint: string) =>
    new CallError(code, message, {
      cluster: cluster.name,
      hint: `${hint} Nothing was sent.`,
      retryable: false,
    });
  const wanted = Object.entries(expect).map(([name, value]) => [name.replaceAll('-', '_'), value] as const);
  if (given === undefined && wanted.length === 0) {
    throw refuse(
      'INVALID_ARGUMENTS',
      'A position alone may mean another rule by now.',
      'Pass the `digest` of list_firewall_rules, or in `expect` what the rule has, such as its comment.',
    );
  }
  const unknown = wanted.find(([name]) => !(name in ruleRow.shape));
  if (unknown !== undefined) {
    const names = Object.keys(ruleRow.shape).join(', ');
    throw refuse('INVALID_ARGUMENTS', `Rules have no field ${inQuotes(unknown[0])}.`, `They have ${names}.`);
  }
  const rule = rows[pos];
  if (rule === undefined) {
    throw refuse(
      'NOT_FOUND',
      `${label} has no rule at ${pos}: it has ${count(rows.length, 'rule')}.`,
      'list_firewall_rules shows them; the first is 0.',
    );
  }
  const fits = (row: RuleRow) => wanted.every(([name, value]) => isEqual(row[name as keyof RuleRow], value));
  if (!fits(rule)) {
    const elsewhere = rows.filter(fits).map((row) => row.pos);
    const where = elsewhere.length === 0 ? 'No rule is such' : `Such a rule is at ${elsewhere.join(', ')}`;
    throw refuse(
      'CONFLICT',
      `The rule at ${pos} is another one: ${inWords(rule)}.`,
      `${where}. List the rules again and decide anew.`,
    );
  }
  if (given !== undefined && given !== digest) {
    throw refuse(
      'CONFLICT',
      'The rules were changed since this digest was read.',
      `At ${pos} is now: ${inWords(rule)}. List the rules again and decide anew.`,
    );
  }
  return { rule, digest };
}

function isEqual(has: string | number | boolean | undefined, wanted: string | number | boolean): boolean {
  if (typeof has === 'boolean') return has === (wanted === true || wanted === 1 || wanted === '1');
  return String(has ?? '') === String(wanted);
}

/** `in ACCEPT tcp dport 22 from 10.0.0.0/8 ("office")`: a rule in a sentence. */
export function inWords(rule: Omit<RuleRow, 'pos'>): string {
  const { type, action, enable, macro, proto, source, sport, dest, dport, iface, comment } = rule;
  const part = (word: string, value: string | undefined) => (value === undefined ? [] : [`${word} ${value}`]);
  const words = [
    type === 'group' ? `group ${action}` : `${type} ${action}`,
    ...(macro === undefined ? [] : [macro]),
    ...(proto === undefined ? [] : [proto]),
    ...part('port', dport),
    ...part('from', source),
    ...part('from port', sport),
    ...part('to', dest),
    ...part('on', iface),
    ...(comment === undefined || comment === '' ? [] : [`(${inQuotes(comment)})`]),
    ...(enable ? [] : ['(off)']),
  ];
  return words.join(' ');
}

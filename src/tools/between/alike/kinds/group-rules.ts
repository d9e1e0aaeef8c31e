import type { GatedCluster } from '../../../../access/gate.ts';
import { apiPath } from '../../../../proxmox/api-path.ts';
import { inWords, type RuleRow, rowOf, ruleData, ruleParameter } from '../../../firewall/rules.ts';
import { notNow } from '../../../refusals.ts';
import { textOf } from '../../../results.ts';
import { type Write, write } from '../definition.ts';
import { listAt } from './firewall-names.ts';

export type Rule = Omit<RuleRow, 'pos'>;

export interface GroupRules {
  /** In their order: the first that fits decides. */
  rules: readonly Rule[];
  /** Of the list; an empty one has none. */
  digest: string | undefined;
}

/** @throws CallError */
export async function readGroup(cluster: GatedCluster, group: string): Promise<GroupRules> {
  const rows = await listAt(cluster, apiPath`/cluster/firewall/groups/${group}`);
  const rules = rows.map((row, index) => {
    const { pos: _pos, ...rule } = rowOf(row, index);
    return rule;
  });
  return { rules, digest: textOf(rows[0]?.digest) };
}

/** The rules of a group that nothing uses yet: new ones come first, so that the last is made first. */
export function makeRules(group: string, rules: readonly Rule[]): Write[] {
  return rules
    .map((rule) => write('POST', apiPath`/cluster/firewall/groups/${group}`, ruleData(rule)))
    .reverse();
}

/**
 * Makes the rules of a group that may be in use those that are wanted, one write at a time and without a moment in
 * which another rule decides: what changes is changed in its place, and what is new comes disabled to its place before
 * it is enabled. Each write is sent only while the list is what it was made for, as a place alone says nothing.
 */
export function changeRules(
  cluster: GatedCluster,
  group: string,
  now: GroupRules,
  wanted: readonly Rule[],
): Write[] {
  const list = new RuleList(cluster, group, now);
  // From the end on: what stands before keeps its place.
  for (const gap of gapsOf(now.rules, wanted).reverse()) list.fill(gap);
  return list.writes;
}

/** Rules between two that stay: `old` ones from `at` on, in place of which come `fresh` ones. */
interface Gap {
  at: number;
  old: readonly Rule[];
  fresh: readonly Rule[];
}

/** The list as it is after each of its writes. */
class RuleList {
  readonly writes: Write[] = [];
  readonly #cluster: GatedCluster;
  readonly #group: string;
  readonly #digest: string | undefined;
  #rules: readonly Rule[];

  constructor(cluster: GatedCluster, group: string, now: GroupRules) {
    this.#cluster = cluster;
    this.#group = group;
    this.#digest = now.digest;
    this.#rules = now.rules;
  }

  fill({ at, old, fresh }: Gap): void {
    const changed = Math.min(old.length, fresh.length);
    fresh.forEach((rule, index) => {
      if (index < changed) this.#change(at + index, rule);
      else this.#insert(at + index, rule);
    });
    for (let index = old.length - 1; index >= changed; index -= 1) this.#remove(at + index);
  }

  #change(pos: number, rule: Rule): void {
    const now: Readonly<Record<string, unknown>> = this.#rules[pos] ?? {};
    const wanted: Readonly<Record<string, unknown>> = rule;
    const given = Object.entries(wanted).filter(([name, value]) => value !== now[name]);
    const gone = Object.keys(now).filter((name) => !(name in wanted));
    const removed = gone.length === 0 ? {} : { delete: gone.map(ruleParameter).join(',') };
    const data = { ...ruleData(Object.fromEntries(given)), ...removed };
    this.#send('PUT', pos, data, this.#rules.with(pos, rule));
  }

  #insert(pos: number, rule: Rule): void {
    if (pos === 0) {
      this.#send('POST', undefined, ruleData(rule), [rule, ...this.#rules]);
      return;
    }
    const off = { ...rule, enable: false };
    const before = this.#rules;
    this.#send('POST', undefined, ruleData(off), [off, ...before]);
    // Moved "to" a place it goes before the rule that is there.
    this.#send('PUT', 0, { moveto: pos + 1 }, before.toSpliced(pos, 0, off));
    if (rule.enable) this.#send('PUT', pos, { enable: 1 }, before.toSpliced(pos, 0, rule));
  }

  #remove(pos: number): void {
    this.#send('DELETE', pos, {}, this.#rules.toSpliced(pos, 1));
  }

  #send(
    method: 'POST' | 'PUT' | 'DELETE',
    pos: number | undefined,
    data: Record<string, unknown>,
    after: readonly Rule[],
  ): void {
    const group = this.#group;
    const path =
      pos === undefined
        ? apiPath`/cluster/firewall/groups/${group}`
        : apiPath`/cluster/firewall/groups/${group}/${pos}`;
    // The digest of the list as it was read; what those after the first write are, nobody knows yet.
    const digest = this.writes.length === 0 && pos !== undefined ? { digest: this.#digest } : {};
    const expected = this.#rules;
    const check = () => requireRules(this.#cluster, group, expected);
    this.writes.push({ ...write(method, path, { ...data, ...digest }), check });
    this.#rules = after;
  }
}

async function requireRules(cluster: GatedCluster, group: string, expected: readonly Rule[]): Promise<void> {
  const { rules: now } = await readGroup(cluster, group);
  if (JSON.stringify(now) === JSON.stringify(expected)) return;
  const words = now.map(inWords).join('; ') || 'none';
  throw notNow(
    cluster,
    `Somebody else changed the rules of the security group ${group} meanwhile: ${words}.`,
    'Call again: what is left is planned anew.',
  );
}

/** What is between the longest run of rules that both lists have in the same order. */
function gapsOf(now: readonly Rule[], wanted: readonly Rule[]): Gap[] {
  const [old, fresh] = [now, wanted].map((rules) => rules.map((rule) => JSON.stringify(rule)));
  const kept = commonOf(old ?? [], fresh ?? []);
  const gaps: Gap[] = [];
  let [at, from] = [0, 0];
  for (const [stays, goes] of [...kept, [now.length, wanted.length] as const]) {
    if (stays > at || goes > from) {
      gaps.push({ at, old: now.slice(at, stays), fresh: wanted.slice(from, goes) });
    }
    [at, from] = [stays + 1, goes + 1];
  }
  return gaps;
}

/** The places, in both lists, of a longest common subsequence. */
function commonOf(one: readonly string[], other: readonly string[]): (readonly [number, number])[] {
  const width = other.length + 1;
  const lengths = new Uint32Array((one.length + 1) * width);
  const lengthAt = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        one[i] === other[j] ? lengthAt(i + 1, j + 1) + 1 : Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1));
    }
  }
  const pairs: (readonly [number, number])[] = [];
  for (let [i, j] = [0, 0]; i < one.length && j < other.length; ) {
    if (one[i] === other[j]) pairs.push([i++, j++]);
    else if (lengthAt(i + 1, j) >= lengthAt(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}

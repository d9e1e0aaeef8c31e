import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GatedCluster, GateRequest } from '../../../../../../src/access/gate.ts';
import {
  changeRules,
  makeRules,
  type Rule,
} from '../../../../../../src/tools/between/alike/kinds/group-rules.ts';
import { ruleData } from '../../../../../../src/tools/firewall/rules.ts';

const rule = (dport: string, more: Partial<Rule> = {}): Rule => ({
  type: 'in',
  action: 'ACCEPT',
  enable: true,
  proto: 'tcp',
  dport,
  ...more,
});

type Data = Record<string, unknown>;

/** As Proxmox does it: new rules come first, and a rule moves to before the one at the place it is moved to. */
function carryOut(rules: Data[], { method, path, data = {} }: GateRequest): Data[] {
  const pos = Number(path.toString().split('/').at(-1));
  const { digest: _digest, moveto, delete: gone, ...given } = data;
  if (method === 'POST') return [given, ...rules];
  if (method === 'DELETE') return rules.toSpliced(pos, 1);
  if (moveto !== undefined) {
    const target = Math.min(Number(moveto), rules.length);
    return rules.toSpliced(pos, 1).toSpliced(target > pos ? target - 1 : target, 0, rules[pos] ?? {});
  }
  const changed = { ...rules[pos], ...given };
  const removed = String(gone ?? '').split(',');
  return rules.with(
    pos,
    Object.fromEntries(Object.entries(changed).filter(([name]) => !removed.includes(name))),
  );
}

const cluster = {} as GatedCluster;
const writesOf = (now: readonly Rule[], wanted: readonly Rule[]) =>
  changeRules(cluster, 'web', { rules: now, digest: 'd1' }, wanted).map(({ request }) => request);

const anyRule = fc.record({
  port: fc.integer({ min: 1, max: 4 }),
  enable: fc.boolean(),
  comment: fc.constantFrom(undefined, 'a', 'b'),
});
const anyRules = fc
  .array(anyRule, { maxLength: 7 })
  .map((list) =>
    list.map(({ port, enable, comment }) => rule(String(port), { enable, ...(comment ? { comment } : {}) })),
  );

describe('the rules of a group', () => {
  it('become those that are wanted, whatever they were', () => {
    fc.assert(
      fc.property(anyRules, anyRules, (now, wanted) => {
        const after = writesOf(now, wanted).reduce<Data[]>(carryOut, now.map(ruleData));
        expect(after).toEqual(wanted.map(ruleData));
      }),
      { numRuns: 500 },
    );
  });

  it('take no write where they are so', () => {
    fc.assert(
      fc.property(anyRules, (rules) => {
        expect(writesOf(rules, structuredClone(rules))).toEqual([]);
      }),
    );
  });

  it('never let a rule decide, on its way, at a place that is not its own', () => {
    fc.assert(
      fc.property(anyRules, anyRules, (now, wanted) => {
        let rules = now.map(ruleData);
        for (const request of writesOf(now, wanted)) {
          const isFirst = request.method === 'POST' && request.data?.enable === 1;
          // One that is enabled as it is made stays where it is made.
          if (isFirst) expect(ruleData(wanted[0] ?? {})).toEqual(request.data);
          rules = carryOut(rules, request);
        }
      }),
    );
  });

  it('carry the digest with the first write that has one, and with no other', () => {
    const [first, ...rest] = writesOf([rule('1'), rule('2')], [rule('3'), rule('4')]);
    expect(first?.data?.digest).toBe('d1');
    expect(rest.map(({ data }) => data?.digest)).toEqual([undefined]);
    expect(writesOf([rule('2')], [rule('1'), rule('2')])[0]?.data).not.toHaveProperty('digest');
  });

  it('of a new group are made from the last on, as each comes first', () => {
    const wanted = [rule('1'), rule('2'), rule('3')];
    const after = makeRules('web', wanted).reduce<Data[]>(
      (rules, { request }) => carryOut(rules, request),
      [],
    );
    expect(after).toEqual(wanted.map(ruleData));
  });
});

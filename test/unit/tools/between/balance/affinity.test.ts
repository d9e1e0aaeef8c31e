import { describe, expect, it } from 'vitest';
import type { GuestRow } from '../../../../../src/clusters/inventory.ts';
import { affinityOf, objections, withNewGuest } from '../../../../../src/tools/between/balance/affinity.ts';

const guest = (vmid: number, node: string, tags: string[] = []): GuestRow => ({
  id: `qemu/${vmid}`,
  type: 'qemu',
  vmid,
  node,
  status: 'running',
  template: false,
  tags,
});
const GUESTS = [
  guest(1, 'a', ['keep-apart-db']),
  guest(2, 'b', ['keep-apart-db', 'keep-together-x']),
  guest(3, 'b', ['keep-together-x']),
];
const at = (vmid: number) => GUESTS.find((one) => one.vmid === vmid)?.node;
const whys = (...given: Parameters<typeof objections>) => objections(...given).map(({ why }) => why);

describe('tags', () => {
  const affinity = affinityOf(GUESTS, undefined);

  it('keep guests apart and together, and are wishes', () => {
    expect(objections(affinity, 1, 'b', at)).toMatchObject([
      { strict: false, why: expect.stringContaining('keep-apart-db') },
    ]);
    expect(objections(affinity, 1, 'c', at)).toEqual([]);
    expect(whys(affinity, 3, 'c', at)).toEqual([expect.stringContaining('keeps it with 2')]);
    expect(objections(affinity, 3, 'b', at)).toEqual([]);
    // Both go: then they are together again.
    expect(objections(affinity, 3, 'c', (vmid) => (vmid === 2 ? 'c' : at(vmid)))).toEqual([]);
  });

  it('count for a guest that is still to come', () => {
    const wider = withNewGuest(affinity, 0, ['keep-apart-db', 'web']);
    expect(['a', 'b', 'c'].map((node) => objections(wider, 0, node, at).length)).toEqual([1, 1, 0]);
    expect(objections(withNewGuest(affinity, 0, ['keep-together-new']), 0, 'a', at)).toEqual([]);
  });
});

describe('rules of HA', () => {
  const resources = new Map([1, 2, 3].map((vmid) => [`vm:${vmid}`, { sid: `vm:${vmid}` }]));
  const rules = (...rows: Record<string, unknown>[]) =>
    affinityOf(
      GUESTS.map((one) => ({ ...one, tags: [] })),
      { generation: 'rules', rules: rows, resources },
    );

  it('of nodes: strict ones forbid, others have HA bring it back; a rule that is off does nothing', () => {
    const strict = { rule: 's', type: 'node-affinity', resources: 'vm:1', nodes: 'a,b:2', strict: 1 };
    expect(['a', 'b', 'c'].map((node) => objections(rules(strict), 1, node, at).length)).toEqual([0, 0, 1]);
    const soft = { ...strict, strict: 0 };
    expect(objections(rules(soft), 1, 'a', at)).toMatchObject([
      { strict: false, why: expect.stringContaining('bring it back') },
    ]);
    expect(objections(rules(soft), 1, 'b', at)).toEqual([]);
    expect(objections(rules({ ...strict, disable: 1 }), 1, 'c', at)).toEqual([]);
  });

  it('of guests: apart and together, without exception', () => {
    const apart = { rule: 'r', type: 'resource-affinity', affinity: 'negative', resources: 'vm:1,vm:2' };
    expect(objections(rules(apart), 1, 'b', at)).toMatchObject([{ strict: true }]);
    const together = { ...apart, affinity: 'positive', resources: 'vm:2,vm:3' };
    expect(objections(rules(together), 3, 'a', at)).toMatchObject([{ strict: true }]);
  });

  it('and groups of 8.x, by what the resource says', () => {
    const inGroup = new Map([['vm:1', { sid: 'vm:1', group: 'g' }]]);
    const affinity = affinityOf(GUESTS, {
      generation: 'groups',
      rules: [{ group: 'g', nodes: 'a', restricted: 1 }],
      resources: inGroup,
    });
    expect(objections(affinity, 1, 'c', at)).toMatchObject([
      { strict: true, why: expect.stringContaining('HA group') },
    ]);
    expect(objections(affinity, 3, 'b', at)).toEqual([]);
  });
});

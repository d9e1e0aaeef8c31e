import { expect, it } from 'vitest';
import { itemsOf, managerState } from '../../../../src/tools/ha/ha.ts';
import { ruleRowOf, whom } from '../../../../src/tools/ha/rule-row.ts';

const names = new Map([[100, 'web']]);

it('shows what the manager finds wrong with a rule, however deep it says so', () => {
  const row = {
    rule: 'apart',
    type: 'resource-affinity',
    affinity: 'negative',
    resources: 'vm:100,ct:110',
    errors: { resources: ['rule is in conflict', 'too many'], nodes: 'gone' },
  };
  const shown = ruleRowOf(row, 'rules', { names, resources: [] });
  expect(shown).toEqual({
    rule: 'apart',
    type: 'resource-affinity',
    affinity: 'negative',
    enabled: true,
    guests: [{ vmid: 100, name: 'web' }, { vmid: 110 }],
    problems: ['rule is in conflict', 'too many', 'gone'],
  });
  expect(whom(shown)).toBe('web, 110');
});

it('finds the guests of a group at the guests', () => {
  const resources = [
    { sid: 'vm:100', group: 'front' },
    { sid: 'vm:101', group: 'back' },
  ];
  const row = { group: 'front', nodes: 'a1:2,a2', restricted: 1 };
  expect(ruleRowOf(row, 'groups', { names, resources })).toMatchObject({
    rule: 'front',
    type: 'group',
    strict: true,
    failback: true,
    guests: [{ vmid: 100, name: 'web' }],
    nodes: ['a1:2', 'a2'],
  });
});

it.each([
  ['pve1 (active, Sat Nov 21 08:00:00 2026)', 'active'],
  ['pve1 (old timestamp - dead?, Sat)', 'old timestamp - dead?'],
  ['pve1 (maintenance mode, Sat)', 'maintenance mode'],
  ['odd', 'odd'],
])('%s is %s', (status, state) => {
  expect(managerState(status)).toBe(state);
});

it('reads lists as Proxmox writes them', () => {
  expect(itemsOf('vm:1, vm:2;vm:3')).toEqual(['vm:1', 'vm:2', 'vm:3']);
  expect(itemsOf(undefined)).toEqual([]);
});

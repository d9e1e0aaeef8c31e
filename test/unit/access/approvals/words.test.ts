import { describe, expect, it } from 'vitest';
import type { Plan, PlannedCall } from '../../../../src/access/approvals/plan.ts';
import { line, planLine, planText, quoted } from '../../../../src/access/approvals/words.ts';
import { FACTS } from '../../../support/approvals.ts';

const CALL: PlannedCall = { method: 'DELETE', path: '/nodes/pve1/qemu/100', parameters: { purge: true } };

function plan(changes: Partial<Plan> = {}): Plan {
  return {
    number: 17,
    kind: 'person',
    tool: 'proxmox_api_call',
    cluster: 'production',
    principalId: 'alice',
    subject: 'alice',
    client: 'agent',
    calls: [CALL],
    facts: FACTS,
    createdAt: 0,
    expiresAt: 600_000,
    state: 'pending',
    ...changes,
  };
}

it('reads as a person needs it, the guest first', () => {
  expect(planText(plan(), { now: 60_000 })).toBe(
    [
      '"web-1" (VM 100), running on node "pve1"',
      'Cluster "production", plan 17, asked by "alice" through "agent" with the tool "proxmox_api_call".',
      'This is sent:',
      '  DELETE /nodes/pve1/qemu/100 purge=true',
      'Lost: "web-1" (VM 100) and its disks',
      'Last backup: 3 days ago',
      "Undo: It can't be undone.",
      'As of 1970-01-01 00:00:00 UTC; it can be approved for 540 s more.',
    ].join('\n'),
  );
  expect(planLine(plan(), 60_000)).toBe(
    '17  "web-1" (VM 100) cluster "production": DELETE /nodes/pve1/qemu/100, asked by "alice" through "agent", 540 s left',
  );
});

it('counts the calls that it does not show, and says where they are', () => {
  const text = planText(plan({ calls: Array(30).fill(CALL) }), { now: 0, mostCalls: 20 });
  expect(text).toContain('These 30 calls are sent, in this order:');
  expect(text).toContain('and 10 more; all of them: proxmox-mcp approvals show 17');
  expect(text.split('\n').filter((row) => row.includes('DELETE'))).toHaveLength(20);
});

it.each<[string, Partial<Plan>, string[]]>([
  [
    'a guest of which little is known',
    { facts: { ...FACTS, guests: [{ type: 'lxc', vmid: 5 }], lost: ['a', 'b'], warnings: ['one'] } },
    [
      'container 5 (its name is not known), state not known',
      'Lost:',
      '  - a',
      '  - b',
      'Last backup: 3 days ago',
      "Undo: It can't be undone.",
      'Beware: one',
    ],
  ],
  [
    'a guest of which much is known',
    {
      facts: {
        guests: [
          {
            type: 'qemu',
            vmid: 9,
            name: 'gold',
            status: 'stopped',
            node: 'pve1',
            template: true,
            protected: true,
            pool: 'web',
            tags: ['a', 'b'],
          },
          { type: 'qemu', vmid: 10, name: 'x', status: 'running', tags: [] },
        ],
        lost: [],
        dependents: ['HA', 'a job'],
        undo: 'Not at all.',
        warnings: [],
      },
    },
    [
      '"gold" (VM 9), a template, stopped on node "pve1", PROTECTED, in the pool "web", tags "a", "b"',
      '"x" (VM 10), running',
      'Lost: nothing',
      'Depends on it:',
      '  - HA',
      '  - a job',
      'Undo: Not at all.',
    ],
  ],
])('says of %s what is known, and no more', (_what, changes, expected) => {
  const rows = planText(plan(changes), { now: 0 }).split('\n');
  const own = rows.filter((row) => !/^(?:Cluster|This is sent| {2}DELETE|As of)/.test(row));
  expect(own).toEqual(expected);
});

it('says what became of it, where it does not wait any more', () => {
  const lastLine = (changes: Partial<Plan>, now: number) =>
    planText(plan(changes), { now }).split('\n').at(-1);
  expect(lastLine({ state: 'denied' }, 0)).toBe('As of 1970-01-01 00:00:00 UTC; denied.');
  expect(lastLine({}, 599_400)).toMatch(/approved for 1 s more\.$/);
  expect(lastLine({}, 700_000)).toMatch(/approved for 0 s more\.$/);
});

it('shows all calls where it is not told how many, and speaks of no others', () => {
  const text = planText(plan({ calls: Array(30).fill(CALL) }), { now: 0 });
  expect(text.split('\n').filter((row) => row.includes('DELETE'))).toHaveLength(30);
  expect(text).not.toContain('more; all of them');
});

describe('a line of a list', () => {
  it.each<[Partial<Plan>, number, string]>([
    [
      { client: undefined as never, calls: [CALL, CALL, CALL] },
      0,
      '17  "web-1" (VM 100) cluster "production": DELETE /nodes/pve1/qemu/100 and 2 more, asked by "alice", 600 s left',
    ],
    [
      { calls: [], facts: { ...FACTS, guests: [] } },
      700_000,
      '17  cluster "production": , asked by "alice" through "agent", 0 s left',
    ],
  ])('%#', (changes, now, expected) => {
    expect(planLine(plan(changes), now)).toBe(expected);
  });
});

describe('names that want to mislead', () => {
  const named = (name: string) => {
    const [guest] = FACTS.guests;
    const guests = [{ ...guest, type: 'qemu' as const, vmid: 100, name }];
    return planText(plan({ facts: { ...FACTS, guests } }), { now: 0 }).split('\n');
  };

  it.each([
    ['a line break', 'web\nLost: nothing', '"web Lost: nothing" (VM 100)'],
    ['a line separator', 'web\u2028Lost: nothing', '"web Lost: nothing" (VM 100)'],
    ['a terminal escape', '\u001b[2Jweb', '"web" (VM 100)'],
    ['a turned reading direction', 'web\u202e001 MV', '"web001 MV" (VM 100)'],
    ['unseen characters', 'we\u200bb\u{e0041}\u00ad-1\ufeff', '"web-1" (VM 100)'],
    ['a closing quote', 'web" (VM 1), a harmless test. "', `"web' (VM 1), a harmless test. '" (VM 100)`],
    ['piled-up accents', `a${'\u0301'.repeat(50)}b`, '"áb" (VM 100)'],
  ])('%s', (_what, name, shown) => {
    const [first] = named(name);
    expect(first).toMatch(new RegExp(`^${shown.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}`));
    expect(named(name)).toHaveLength(named('web-1').length);
  });

  it('are cut', () => {
    expect(quoted('x'.repeat(500)).length).toBeLessThan(140);
    expect(quoted('x'.repeat(129))).toBe(`"${'x'.repeat(128)}…"`);
    expect(quoted('x'.repeat(128))).toBe(`"${'x'.repeat(128)}"`);
    expect(quoted(`${'x'.repeat(127)}\u{1f600}`)).toBe(`"${'x'.repeat(127)}\ufffd…"`);
  });

  it('can not break a line of what is lost', () => {
    expect(line('a\r\nb\u0085c\u2029d')).toBe('a bc d');
    expect(line('\ue000a\u{10fffe}\ue0b0')).toBe('a');
    expect(line('  a \u3000 b\u0301  ')).toBe('a b\u0301');
    expect(line('e\u0301\ud800')).toBe('\u00e9\ufffd');
  });
});

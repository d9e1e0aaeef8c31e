import { describe, expect, it } from 'vitest';
import { beginFragment } from '../../../src/audit/entry.ts';
import { Secret } from '../../../src/config/secret.ts';
import { call } from '../../support/audit-record.ts';

const CANARY = '6c1f9a7e-CANARY-4b3d';

function recorded(parameters: Record<string, unknown>): Record<string, unknown> {
  const line = JSON.parse(`{${beginFragment(call('a', { parameters }))}}`) as Record<string, unknown>;
  return line.parameters as Record<string, unknown>;
}

describe('parameters in the record', () => {
  it('keeps plain values as they are', () => {
    const parameters = { name: 'web', cores: 4, on: true, nets: ['a', 'b'], nested: { x: null } };
    expect(recorded(parameters)).toEqual(parameters);
  });

  it('puts length and digest in the place of a long text', () => {
    const { content, short } = recorded({ content: CANARY.repeat(100), short: 'x'.repeat(1000) });
    expect(content).toMatch(/^\[2000 characters, sha256 [0-9a-f]{16}\]$/);
    expect(short).toBe('x'.repeat(1000));
    expect(recorded({ content: 'x'.repeat(1001) }).content).toMatch(/^\[1001 characters/);
  });

  it('serialises nothing but plain data, and never a Secret', () => {
    class Leaky {
      value = CANARY;
      toJSON(): string {
        return CANARY;
      }
    }
    const parameters = {
      secret: new Secret(CANARY),
      deep: [{ secret: new Secret(CANARY) }],
      leaky: new Leaky(),
      buffer: Buffer.from(CANARY),
      map: new Map([['a', CANARY]]),
      code: () => CANARY,
      when: new Date(0),
    };
    const kept = recorded(parameters);
    expect(JSON.stringify(kept)).not.toContain(CANARY);
    expect(kept).toMatchObject({
      secret: '[redacted]',
      buffer: '[redacted]',
      when: '1970-01-01T00:00:00.000Z',
    });
  });

  it('bounds depth, members and the whole', () => {
    const round: Record<string, unknown> = {};
    round.self = round;
    expect(JSON.stringify(recorded(round))).toContain('deeper than 6 levels');
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`p${index}`, index]));
    expect(recorded(many)['…']).toBe('[300 more]');
    const wide = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`p${index}`, 'y'.repeat(900)]),
    );
    expect(JSON.stringify(recorded(wide)).length).toBeLessThan(2000);
    expect(recorded(wide).names).toHaveLength(100);
    expect(Object.keys(recorded({ ['n'.repeat(5000)]: 1 })).join('')).toMatch(/^\[name of 5000 characters/);
  });

  it('takes a member named __proto__ for data', () => {
    const kept = recorded(JSON.parse('{"__proto__":{"admin":true},"toJSON":"x"}') as Record<string, unknown>);
    expect(JSON.stringify(kept)).toBe('{"__proto__":{"admin":true},"toJSON":"x"}');
  });

  it('takes a circle in a list, a bigint and what is no number', () => {
    const list: unknown[] = [1n, Number.NaN, undefined];
    list.push(list);
    expect(JSON.stringify(recorded({ list }))).toMatch(/^\{"list":\["1","NaN",null,\[.*deeper than 6 levels/);
  });

  it('clips every other text of the line too', () => {
    const line = beginFragment(call('a', { client: 'c'.repeat(9000), path: `/${'p'.repeat(9000)}` }));
    expect(line.length).toBeLessThan(1000);
  });

  it('breaks no line', () => {
    expect(beginFragment(call('a', { subject: 'a\nb\r\u2028\ud800' }))).not.toMatch(/[\n\r]/);
  });
});

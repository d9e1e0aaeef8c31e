import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOOLS } from '../../src/tools/registry.ts';
import { inputOf, type Schema } from '../support/arbitrary-arguments.ts';
import { callDirectly } from '../support/tool-direct.ts';
import { argumentsOf, lineOf, ToolSite } from '../support/tool-site.ts';

let site: ToolSite;
beforeAll(async () => {
  site = await ToolSite.start();
  site.reset();
}, 60_000);
afterAll(() => site.close());

const LONG = '!'.repeat(200_000);
/** What a value of each type is not. */
const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  string: [1, true, {}, ['x'], LONG],
  integer: ['x', '1', 1.5, true, {}, 1e300, -1e300],
  number: ['x', '1', true, {}],
  boolean: ['x', 'true', 1, {}],
  array: ['x', 1, {}, Array.from({ length: 5000 }, () => ({}))],
  object: ['x', 1, []],
};
const wrongFor = ({ type, anyOf }: Schema): readonly unknown[] =>
  anyOf === undefined ? (WRONG[type ?? ''] ?? []) : [{}];

const NAMED = TOOLS.map((tool) => ({ tool, name: tool.name }));

describe.each(NAMED)('$name', ({ tool, name }) => {
  const base = argumentsOf(name);
  const { properties, required } = inputOf(tool);

  it('takes null for what is left out', async () => {
    const nulls = Object.keys(properties).filter((key) => !(key in base) && !required.includes(key));
    site.reset();
    const args = { ...base, ...Object.fromEntries(nulls.map((key) => [key, null])) };
    const { code, message } = await callDirectly(site, name, args);
    expect(code, message).toBeUndefined();
  });

  it('refuses what is of another type, too large or unknown, before anything is asked', async () => {
    const cases = Object.entries(properties).flatMap(([key, schema]) =>
      wrongFor(schema).map((value) => [key, value] as const),
    );
    for (const [key, value] of [...cases, ['no_such_argument', 1] as const]) {
      const { code, arrived } = await callDirectly(site, name, { ...base, [key]: value });
      const what = `${key}: ${JSON.stringify(value).slice(0, 40)}`;
      expect(code, what).toBe('INVALID_ARGUMENTS');
      expect(arrived.map(lineOf), what).toEqual([]);
    }
  });

  it('refuses a call without what it needs', async () => {
    for (const key of required) {
      const { [key]: _left, ...rest } = base;
      const { code, arrived } = await callDirectly(site, name, rest);
      expect(code, key).toBe('INVALID_ARGUMENTS');
      expect(arrived).toEqual([]);
    }
  });
});

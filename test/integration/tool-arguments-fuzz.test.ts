import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Tool } from '../../src/tools/define.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { argumentsAround } from '../support/arbitrary-arguments.ts';
import { callDirectly } from '../support/tool-direct.ts';
import type { Arrived } from '../support/tool-estate.ts';
import { argumentsOf, lineOf, ToolSite } from '../support/tool-site.ts';

let site: ToolSite;
beforeAll(async () => {
  site = await ToolSite.start();
  site.reset();
}, 60_000);
afterAll(() => site.close());

const CASES = 5000;
const SEED = 20_261_121;
const PARTS = 10;
/** About 25,000 tokens, at which clients cut an answer. */
const MOST_CHARACTERS = 100_000;
const cases = fc.sample(
  fc
    .constantFrom(...TOOLS)
    .chain((tool) => argumentsAround(tool, argumentsOf(tool.name)).map((args) => ({ tool, args }))),
  { seed: SEED, numRuns: CASES },
);
const codes = new Map<string, number>();
const last: Tool[] = [];

function undeclared(tools: readonly Tool[], arrived: readonly Arrived[]): string[] {
  if (tools.at(-1)?.calls.length === 0) return [];
  const declaring = tools.filter(({ calls }) => calls.length > 0);
  return arrived
    .filter((request) => declaring.every((tool) => site.undeclared(tool, [request]).length > 0))
    .map(lineOf);
}

it.each(Array.from({ length: PARTS }, (_, part) => part))(
  'whatever a call holds, it is answered or refused, part %i',
  async (part) => {
    for (const { tool, args } of cases.slice((part * CASES) / PARTS, ((part + 1) * CASES) / PARTS)) {
      const { code = 'ok', result, message, arrived, done } = await callDirectly(site, tool.name, args);
      codes.set(code, (codes.get(code) ?? 0) + 1);
      const what = `${tool.name} ${JSON.stringify(args).slice(0, 1000)}: ${message}`;
      expect(code, what).not.toBe('INTERNAL');
      expect(JSON.stringify(result.structuredContent).length, what).toBeLessThan(MOST_CHARACTERS);
      expect(JSON.stringify(result.content).length, what).toBeLessThan(1.5 * MOST_CHARACTERS);
      if (tool.annotations.readOnlyHint || code === 'INVALID_ARGUMENTS')
        expect(done.map(lineOf), what).toEqual([]);
      // Where one read of several fails, the others of that call may still be under way.
      last.splice(0, last.length - 9);
      last.push(tool);
      expect(undeclared(last, arrived), what).toEqual([]);
      if (done.length > 0) site.reset();
    }
  },
  60_000,
);

it('went through, failed and were refused, each often enough to say something', () => {
  expect(codes.get('ok')).toBeGreaterThan(CASES / 5);
  expect(codes.get('INVALID_ARGUMENTS')).toBeGreaterThan(CASES / 5);
  expect(codes.get('NOT_FOUND')).toBeGreaterThan(CASES / 50);
});

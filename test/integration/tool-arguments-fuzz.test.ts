import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Tool } from '../../src/tools/define.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { argumentsAround } from '../support/arbitrary-arguments.ts';
import { hostileArguments } from '../support/hostile-arguments.ts';
import { ToolDoor } from '../support/tool-door.ts';
import type { Arrived } from '../support/tool-estate.ts';
import { argumentsOf, isOwnRead, lineOf, ToolSite } from '../support/tool-site.ts';

/** By hand: FUZZ_CASES=100000 vitest run test/integration/tool-arguments-fuzz.test.ts */
const CASES = Number(process.env.FUZZ_CASES ?? 5_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);
const PER_PART = 500;
/** About 25,000 tokens, at which clients cut an answer. */
const MOST_CHARACTERS = 100_000;

let site: ToolSite;
let door: ToolDoor;
beforeAll(async () => {
  site = await ToolSite.start();
  site.reset();
  door = await ToolDoor.open(site);
}, 60_000);
afterAll(async () => {
  await door.close();
  await site.close();
});

const anyCase = fc.constantFrom(...TOOLS).chain((tool) => {
  const base = argumentsOf(tool.name);
  return fc
    .oneof(
      { weight: 4, arbitrary: argumentsAround(tool, base).map((args) => JSON.stringify(args)) },
      { weight: 1, arbitrary: hostileArguments(tool, base) },
    )
    .map((args) => ({ tool, args }));
});

const outcomes = new Map<string, number>();
const last: Tool[] = [];

/** Whether the tool itself would not take these arguments: then nobody upstream may hear of the call. */
function isRefused(tool: Tool, args: string): boolean {
  try {
    const parsed = (JSON.parse(args) ?? {}) as Record<string, unknown>;
    const given = Object.entries(parsed).filter(([, value]) => value !== null);
    tool.prepare(Array.isArray(parsed) ? parsed : Object.fromEntries(given));
    return false;
  } catch {
    return true;
  }
}

function undeclared(tools: readonly Tool[], arrived: readonly Arrived[]): string[] {
  if (tools.at(-1)?.calls.length === 0) return [];
  const declaring = tools.filter(({ calls }) => calls.length > 0);
  return arrived
    .filter((request) => declaring.every((tool) => site.undeclared(tool, [request]).length > 0))
    .map(lineOf);
}

/** What a refused call sent; asked for again where there is something, as the reads of a call before it may be late. */
async function sentThough(tool: Tool, args: string, arrived: readonly Arrived[]): Promise<string[]> {
  const sent = (all: readonly Arrived[]) => all.filter((one) => !isOwnRead(one)).map(lineOf);
  if (sent(arrived).length === 0) return [];
  await new Promise((resolve) => setTimeout(resolve, 100));
  return sent((await door.call(tool.name, args)).arrived);
}

it.each(Array.from({ length: Math.ceil(CASES / PER_PART) }, (_, part) => SEED + part))(
  'whatever a call holds, it is answered or refused, seed %i',
  async (seed) => {
    for (const { tool, args } of fc.sample(anyCase, { seed, numRuns: PER_PART })) {
      const answer = await door.call(tool.name, args);
      const { status, code, message, structured, arrived, done } = answer;
      const outcome = code ?? (structured === undefined ? `HTTP ${status}` : 'ok');
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      const what = `${tool.name} ${args.slice(0, 1000)}: ${status} ${message}`;
      expect(status, what).toBeLessThan(500);
      expect(message, what).not.toContain('not a message');
      expect(code, what).not.toBe('INTERNAL');
      expect(JSON.stringify(structured ?? {}).length, what).toBeLessThan(MOST_CHARACTERS);
      expect(answer.characters, what).toBeLessThan(1.5 * MOST_CHARACTERS);
      if (tool.annotations.readOnlyHint || code === 'INVALID_ARGUMENTS' || structured === undefined)
        expect(done.map(lineOf), what).toEqual([]);
      if (structured === undefined || isRefused(tool, args)) {
        expect(outcome, what).not.toBe('ok');
        expect(await sentThough(tool, args, arrived), what).toEqual([]);
      }
      // Where one read of several fails, the others of that call may still be under way.
      last.splice(0, last.length - 9);
      last.push(tool);
      expect(undeclared(last, arrived), what).toEqual([]);
      if (done.length > 0) site.reset();
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  },
  600_000,
);

it('went through, failed and were refused, each often enough to say something', () => {
  expect(outcomes.get('ok')).toBeGreaterThan(CASES / 6);
  expect(outcomes.get('INVALID_ARGUMENTS')).toBeGreaterThan(CASES / 5);
  expect(outcomes.get('NOT_FOUND')).toBeGreaterThan(CASES / 80);
  // Not JSON, or JSON that no body may be.
  expect(outcomes.get('HTTP 400')).toBeGreaterThan(CASES / 40);
});

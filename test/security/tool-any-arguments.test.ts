import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../src/access/policy/policy.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { argumentsAround } from '../support/arbitrary-arguments.ts';
import { somebody } from '../support/policy.ts';
import { callDirectly } from '../support/tool-direct.ts';
import type { Arrived } from '../support/tool-estate.ts';
import { ALL_RIGHTS, argumentsOf, lineOf, ToolSite } from '../support/tool-site.ts';
import { guestOf, namesOfOthers, ownGuests, TENANTS, tenantPolicy } from '../support/tool-tenants.ts';

let site: ToolSite;
beforeAll(async () => {
  site = await ToolSite.start();
  site.reset();
}, 60_000);
afterAll(() => site.close());

const CASES = 400;
const casesOf = (seed: number) =>
  fc.sample(
    fc
      .constantFrom(...TOOLS)
      .chain((tool) =>
        argumentsAround(tool, argumentsOf(tool.name)).map((args) => ({ tool: tool.name, args })),
      ),
    { seed, numRuns: CASES },
  );
const wordsOf = (tool: string, args: object): string => `${tool} ${JSON.stringify(args).slice(0, 1000)}`;
const risky = (arrived: readonly Arrived[], risks: readonly string[]) =>
  arrived.filter((one) => site.risksOf(one).some((risk) => risks.includes(risk))).map(lineOf);

describe('whatever the arguments', () => {
  it('nothing destroys or executes without an approval', async () => {
    site.use(defaultPolicy());
    let asked = 0;
    for (const [index, { tool, args }] of casesOf(1).entries()) {
      // A principal may have so many plans waiting.
      const principal = somebody(`alice-${Math.floor(index / 100)}`);
      const { code, arrived, done } = await callDirectly(site, tool, args, { principal });
      expect(risky(arrived, ['destroy', 'execute']), wordsOf(tool, args)).toEqual([]);
      if (code === 'APPROVAL_REQUIRED') asked += 1;
      if (done.length > 0) site.reset();
    }
    expect(asked).toBeGreaterThan(CASES / 20);
  }, 60_000);

  it('nothing but GET leaves for a request that may only read', async () => {
    site.use(ALL_RIGHTS);
    for (const { tool, args } of casesOf(2)) {
      const { arrived } = await callDirectly(site, tool, args, { readOnly: true });
      expect(arrived.filter(({ method }) => method !== 'GET').map(lineOf), wordsOf(tool, args)).toEqual([]);
    }
  }, 60_000);

  it.each(TENANTS)(
    '%s, a tenant bound to the pool %s, sees and touches its own alone',
    async (subject, pool) => {
      site.use(tenantPolicy());
      const principal = somebody(subject);
      for (const { tool, args } of casesOf(3)) {
        const { result, arrived, done } = await callDirectly(site, tool, args, { principal });
        const what = wordsOf(tool, args);
        expect(namesOfOthers(pool, JSON.stringify(result), JSON.stringify(args)), what).toEqual([]);
        for (const act of arrived.filter(({ method }) => method !== 'GET'))
          expect(ownGuests(pool), `${what}: ${lineOf(act)}`).toHaveProperty(
            guestOf(act) ?? 'no guest at all',
          );
        if (done.length > 0) site.reset();
      }
    },
    60_000,
  );
});

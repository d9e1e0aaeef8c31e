import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startService } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { clustersFolder } from '../support/clusters-file.ts';
import { EXCLUDED, GENERIC, PARTLY_GENERIC } from './expectations.ts';
import { startFixture } from './fixture.ts';
import { type Outcome, RUNS, runSuite, scenariosOf } from './suites.ts';

type Outcomes = ReadonlyMap<string, Outcome>;

const fixture = new Map<string, Outcomes>();
const product = new Map<string, Outcomes>();
const closing: (() => Promise<void>)[] = [];

async function startProduct(): Promise<string> {
  const simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
  closing.push(() => simulator.close());
  const { folder, remove } = await clustersFolder(simulator);
  closing.push(remove);
  const env = {
    MCP_PORT: '0',
    MCP_AUTH: 'none',
    MCP_RATE_LIMIT_PER_ADDRESS: '0',
    MCP_RATE_LIMIT_PER_PRINCIPAL: '0',
    CACHE_DIR: folder,
  };
  const service = await startService(loadConfig({ env, cwd: folder }), pino({ level: 'silent' }));
  closing.push(() => service.stop());
  await service.validated;
  return `${service.url}/mcp`;
}

beforeAll(async () => {
  const fixtureService = await startFixture();
  closing.push(() => fixtureService.close());
  const url = await startProduct();
  for (const run of RUNS) {
    fixture.set(run.name, await runSuite(run, fixtureService.url));
    product.set(run.name, await runSuite(run, url));
  }
}, 180_000);
afterAll(async () => {
  for (const close of closing.reverse()) await close();
}, 60_000);

const passes = (outcome: Outcome | undefined) =>
  outcome !== undefined && outcome.passed > 0 && outcome.problems.length === 0;

describe.each(RUNS)('the suite $name', (run) => {
  const outcomesOf = (all: ReadonlyMap<string, Outcomes>): [string, Outcome][] => [
    ...(all.get(run.name) ?? new Map<string, Outcome>()),
  ];

  it('runs every scenario that applies', async () => {
    const ran = RUNS.flatMap(({ name, suite }) =>
      suite === run.suite ? [...(fixture.get(name)?.keys() ?? [])] : [],
    );
    const left = (await scenariosOf(run)).filter((name) => !ran.includes(name) && !(name in EXCLUDED));
    expect(left).toEqual([]);
    expect(ran.length).toBeGreaterThan(30);
  });

  it('passes on our HTTP service, with a check or more in each scenario', () => {
    const failing = outcomesOf(fixture)
      .filter(([name, outcome]) => !(name in EXCLUDED) && !passes(outcome))
      .map(([name, { passed, problems }]) => `${name}: ${passed} passed; ${problems.join('; ')}`);
    expect(failing).toEqual([]);
  });

  it('excludes nothing that would pass', () => {
    const passing = outcomesOf(fixture).filter(([name, outcome]) => name in EXCLUDED && passes(outcome));
    expect(passing).toEqual([]);
  });

  it('passes on the product itself where it asks for no fixture', () => {
    const generic = outcomesOf(product).filter(([name]) => GENERIC.includes(name));
    expect(generic.length).toBeGreaterThan(5);
    expect(generic.filter(([, outcome]) => !passes(outcome))).toEqual([]);
  });
});

it('fails on the product in nothing but what only a fixture has', () => {
  const outcome = product.get('0.2, 2026-07-28')?.get(PARTLY_GENERIC);
  expect(outcome?.passed).toBeGreaterThan(20);
  // A tool that changes the list of tools: without it the suite can only warn.
  const others = outcome?.problems.filter((problem) => !problem.includes('Mutated the tool list'));
  expect(others).toHaveLength(outcome?.untestable ?? -1);
});

it('comes to what docs/conformance.md says', async () => {
  await expect(report()).toMatchFileSnapshot('../../docs/conformance.md');
});

function report(): string {
  const names = new Set(RUNS.flatMap(({ name }) => [...(fixture.get(name)?.keys() ?? [])]));
  const cell = (outcomes: Outcomes | undefined, name: string, isMeant: boolean) => {
    const outcome = outcomes?.get(name);
    return outcome === undefined || !isMeant ? '' : String(outcome.passed);
  };
  const applying = [...names].filter((name) => !(name in EXCLUDED)).sort();
  const rows = applying.map((name) => {
    const ours = RUNS.map((run) => cell(fixture.get(run.name), name, true));
    const itself = RUNS.map((run) => cell(product.get(run.name), name, GENERIC.includes(name)));
    return [`\`${name}\``, ...ours, itself.filter((count) => count !== '').join(' + ')];
  });
  const sums = RUNS.map(({ name: run }) =>
    applying.reduce((sum, name) => sum + (fixture.get(run)?.get(name)?.passed ?? 0), 0),
  );
  const counts = RUNS.map(({ name: run }) => applying.filter((name) => fixture.get(run)?.has(name)).length);
  const ofProduct = GENERIC.reduce(
    (sum, name) =>
      sum + RUNS.reduce((all, { name: run }) => all + (product.get(run)?.get(name)?.passed ?? 0), 0),
    0,
  );
  const reasons = Map.groupBy(Object.keys(EXCLUDED), (name) => EXCLUDED[name] ?? '');
  return [
    '# Conformance',
    '',
    'Both official suites of MCP run in CI: `@modelcontextprotocol/conformance` 0.1.16, and 0.2.0-alpha.12 with the',
    'requirements of the revisions 2025-11-25 and 2026-07-28. Most scenarios want tools, resources and prompts of their',
    'own: a fixture (`test/conformance/`) gives them behind our HTTP service, that is with its app, doors, sessions and',
    'dispatcher. Those that want none run against the product itself, too. The numbers are checks that passed, with none',
    'that failed or warned; this page is made by the test.',
    '',
    `| Scenario | ${RUNS.map(({ name }) => name).join(' | ')} | the product itself |`,
    '|---|---|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    `| **checks** | ${sums.map((sum) => `**${sum}**`).join(' | ')} | **${ofProduct}** |`,
    `| **scenarios** | ${counts.map((count) => `**${count}**`).join(' | ')} | **${GENERIC.length}** |`,
    '',
    `\`${PARTLY_GENERIC}\` also passes on the product, but for the checks that ask for a diagnostic tool.`,
    '',
    '## What does not apply',
    '',
    `${Object.keys(EXCLUDED).length} scenarios, each of which fails or checks nothing here; one that began to pass would fail the test.`,
    '',
    '| Scenarios | Why |',
    '|---|---|',
    ...[...reasons].map(([why, which]) => `| ${which.map((name) => `\`${name}\``).join(', ')} | ${why} |`),
    '',
  ].join('\n');
}

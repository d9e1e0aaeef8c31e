import { expect, it } from 'vitest';
import { checkTools } from '../../../scripts/schema-checks/tools.ts';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { riskOf } from '../../../src/catalogue/risk.ts';
import { TOOLS } from '../../../src/tools/registry.ts';

it('every tool calls methods and parameters that exist', () => {
  expect(checkTools(TOOLS, loadBuiltInCatalogue()).differences).toEqual([]);
});

it('finds an invented method and an invented parameter', () => {
  const [tool] = TOOLS;
  if (!tool) throw new Error('there is no tool');
  const calls = [
    ['GET', '/nodes/{node}/nonsense'],
    ['GET', '/cluster/resources', 'kind'],
  ] as const;
  expect(checkTools([{ ...tool, calls }], loadBuiltInCatalogue()).differences).toEqual([
    `${tool.name}: GET /nodes/{node}/nonsense does not exist`,
    `${tool.name}: GET /cluster/resources takes no kind`,
  ]);
});

it('a tool that says it only reads calls nothing that does more', () => {
  for (const tool of TOOLS.filter(({ annotations }) => annotations.readOnlyHint)) {
    for (const [method, path] of tool.calls) {
      // An answer that holds a secret is no change: the gate asks for the scope, and the tool masks what it shows.
      const more = riskOf(method, path).risks.filter((risk) => risk !== 'secret');
      expect(
        [method, ...more].filter((risk) => risk !== 'read'),
        `${tool.name} ${path}`,
      ).toEqual(['GET']);
    }
  }
});

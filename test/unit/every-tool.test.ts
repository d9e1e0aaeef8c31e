import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { TOOLS } from '../../src/tools/registry.ts';

const TESTS = path.join(import.meta.dirname, '..', 'integration');
/** These call each tool of a table: a tool that only they know has no test of what it does. */
const OF_ALL_TOOLS = new Set(['every-tool.test.ts', 'tool-arguments.test.ts']);

it('each tool is named in a test that calls it from end to end', () => {
  const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.test.ts') && !OF_ALL_TOOLS.has(file),
  );
  const text = files.map((file) => readFileSync(path.join(TESTS, file), 'utf8')).join('\n');
  const untested = TOOLS.map(({ name }) => name).filter((name) => !text.includes(`'${name}'`));
  expect(untested).toEqual([]);
});

it('no two tools have one name, and none that changes things says that it only reads', () => {
  const names = TOOLS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, annotations, calls } of TOOLS) {
    const writes = calls.filter(([method]) => method !== 'GET');
    if (annotations.readOnlyHint) expect(writes, name).toEqual([]);
  }
});

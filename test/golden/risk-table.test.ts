import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../src/catalogue/builtin.ts';
import { riskOf, ruleFor } from '../../src/catalogue/risk.ts';
import { RISK_RULES } from '../../src/catalogue/risk-rules.ts';
import type { HttpMethod } from '../../src/catalogue/types.ts';

/** A line for each method that a rule is about: a change of any risk shows in the difference. */
const FILE = new URL('risk-table.txt', import.meta.url);

/** Every verb and template that a rule's `VERB|VERB /a/(b|c)/*` stands for. */
function examples(methods: string): string[] {
  const [verbs = '', pattern = ''] = methods.split(' ');
  let paths = [pattern.replaceAll('*', '{}')];
  while (paths.some((path) => path.includes('('))) {
    paths = paths.flatMap((path) => {
      const group = /\(([^()]*)\)/.exec(path);
      return group
        ? (group[1] ?? '').split('|').map((choice) => path.replace(group[0], () => choice))
        : [path];
    });
  }
  return verbs.split('|').flatMap((verb) => paths.map((path) => `${verb} ${path}`));
}

function split(line: string): [HttpMethod, string] {
  const [method = '', path = ''] = line.split(' ');
  return [method as HttpMethod, path.replaceAll('{}', '{x}')];
}

function lineOf(call: string): string {
  const [method, path] = split(call);
  const { risks, reasons } = riskOf(method, path);
  return `${call}: ${risks.join(', ')} | ${reasons.join('; ')}`;
}

if (process.env.UPDATE_GOLDEN) {
  const calls = [...new Set(RISK_RULES.flatMap(([, methods]) => examples(methods)))].sort();
  await writeFile(FILE, `${calls.map(lineOf).join('\n')}\n`);
}
const lines = (await readFile(FILE, 'utf8')).trimEnd().split('\n');
const listed = new Set(lines.map((line) => line.slice(0, line.indexOf(':'))));

describe('the risk table (UPDATE_GOLDEN=1 writes it anew, for a change that you meant)', () => {
  it.each(lines)('%s', (line) => {
    expect(lineOf(line.slice(0, line.indexOf(':')))).toBe(line);
  });

  it('lists every method that a rule is about, and no other', () => {
    expect([...new Set(RISK_RULES.flatMap(([, methods]) => examples(methods)))].sort()).toEqual(
      [...listed].sort(),
    );
    for (const { method, path } of loadBuiltInCatalogue().methods) {
      const call = `${method} ${path.replace(/\{[^/]+\}/g, '{}')}`;
      expect(ruleFor(method, path) !== undefined, call).toBe(listed.has(call));
    }
  });
});

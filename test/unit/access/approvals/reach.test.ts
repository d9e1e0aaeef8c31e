import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const SOURCES = resolve(import.meta.dirname, '../../../../src');

function filesWith(pattern: RegExp, folder = ''): string[] {
  const files = globSync(`${folder}**/*.ts`, { cwd: SOURCES });
  return files.filter((file) => pattern.test(readFileSync(resolve(SOURCES, file), 'utf8'))).sort();
}

it('an approval is recorded by the HTTP route alone', () => {
  expect(filesWith(/approvals\??\.decide\(/)).toEqual(['http/routes/approvals.ts']);
});

it('no tool reaches the approvals or their store', () => {
  expect(filesWith(/approvals\/(?:approvals|store)\.ts/, 'tools/')).toEqual([]);
});

it('only the approvals reach their store', () => {
  expect(filesWith(/from '[^']*approvals\/store\.ts'/)).toEqual([]);
  expect(filesWith(/from '\.\/store\.ts'/, 'access/approvals/')).toEqual(['access/approvals/approvals.ts']);
});

it('no door brings a standing approval: the dispatcher hands it on, and the scheduler has it', () => {
  expect(filesWith(/\bstanding\b/, '{mcp,http,cli}/')).toEqual(['mcp/dispatcher.ts', 'mcp/scheduler.ts']);
  expect(filesWith(/\bStandingApproval\b/, '{tools,http,cli}/')).toEqual([]);
});

it('the secret of an endpoint is added where steps are sent, and nowhere else', () => {
  expect(filesWith(/\bwhole\.reveal\(|\bENDPOINT_PARAMETER\b/)).toEqual([
    'access/remote-endpoint.ts',
    'access/sending.ts',
    'access/step-maker.ts',
  ]);
});

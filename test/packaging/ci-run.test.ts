import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './project.ts';

/**
 * Stands for npm: `ci` and `test` end as they are told to, and `test` leaves the report that vitest would. Standard
 * input has to be closed.
 */
const NPM = `#!/usr/bin/env bash
echo "npm $* CI=$CI"
read -r && exit 99
[ "$1" = ci ] && exit "$CI_STATUS"
[ -n "$REPORT" ] && echo "$REPORT" >"$TEST_REPORT"
exit "$TEST_STATUS"
`;

describe('.ci/run', () => {
  let checkout: string;

  beforeAll(() => {
    checkout = mkdtempSync(join(tmpdir(), 'proxmox-mcp-ci-'));
    mkdirSync(join(checkout, 'bin'));
    cpSync(join(ROOT, '.ci/run'), join(checkout, '.ci/run'));
    writeFileSync(join(checkout, 'bin/npm'), NPM, { mode: 0o755 });
  });

  afterAll(() => rmSync(checkout, { recursive: true, force: true }));

  function run(told: { ci?: number; test?: number; report?: object }) {
    const { status, stdout } = spawnSync('bash', [join(checkout, '.ci/run')], {
      cwd: tmpdir(),
      encoding: 'utf8',
      input: 'a terminal is not expected\n',
      timeout: 15_000,
      env: {
        PATH: [join(checkout, 'bin'), process.env.PATH].join(delimiter),
        CI_STATUS: String(told.ci ?? 0),
        TEST_STATUS: String(told.test ?? 0),
        REPORT: told.report === undefined ? '' : JSON.stringify(told.report),
      },
    });
    const lines = stdout.trimEnd().split('\n');
    return { status, lines, last: lines.at(-1) };
  }

  it('runs what the README says and counts what vitest reports', () => {
    const report = { numPassedTests: 41, numFailedTests: 0, numPendingTests: 2, numTodoTests: 1 };
    expect(run({ report })).toEqual({
      status: 0,
      lines: ['npm ci CI=true', 'npm test CI=true', '41 passed, 0 failed, 3 skipped'],
      last: '41 passed, 0 failed, 3 skipped',
    });
  });

  it('ends as the tests end', () => {
    const report = { numPassedTests: 40, numFailedTests: 2, numPendingTests: 0, numTodoTests: 0 };
    expect(run({ test: 1, report })).toMatchObject({ status: 1, last: '40 passed, 2 failed, 0 skipped' });
  });

  it.each([
    ['the checks before the tests fail', { test: 2 }, 2],
    ['the installation fails', { ci: 7 }, 7],
  ])('says that something failed when %s', (_when, told, status) => {
    expect(run(told)).toMatchObject({ status, last: '0 passed, 1 failed, 0 skipped' });
  });

  it('counts an error that no test had', () => {
    const report = { numPassedTests: 41, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
    expect(run({ test: 1, report })).toMatchObject({ status: 1, last: '41 passed, 1 failed, 0 skipped' });
  });
});

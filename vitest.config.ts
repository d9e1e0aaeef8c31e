import { defineConfig } from 'vitest/config';
import { CanaryReporter } from './test/support/canary-reporter.ts';
import { SkippedReporter } from './test/support/skipped-reporter.ts';

/** They wait for processes that were killed, or for what happens by itself: seconds in which they need no core. */
const WAITING = [
  'test/**/*-restart.test.ts',
  'test/integration/{cli-demo,cli-serve,resource-updates,audit-service}.test.ts',
];

/** Set by .ci/run, which counts from the file. */
const outputFile = process.env.TEST_REPORT;

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'tests', include: ['test/**/*.test.ts'], exclude: WAITING } },
      {
        extends: true,
        test: { name: 'waiting', include: WAITING, maxWorkers: 6, sequence: { groupOrder: 1 } },
      },
    ],
    setupFiles: ['test/support/canary-setup.ts'],
    reporters: [
      'default',
      new SkippedReporter(),
      new CanaryReporter(),
      ...(outputFile ? [['json', { outputFile }] satisfies [string, object]] : []),
    ],
    // Half of the time is waiting for processes and the network; the machines of CI have two cores.
    maxWorkers: 2,
    testTimeout: 20_000,
    expect: { poll: { timeout: 5_000 } },
    hookTimeout: 30_000,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'json-summary'] },
  },
});

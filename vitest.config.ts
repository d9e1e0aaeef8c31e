import { defineConfig } from 'vitest/config';
import { CanaryReporter } from './test/support/canary-reporter.ts';
import { SkippedReporter } from './test/support/skipped-reporter.ts';

/** They wait for processes that were killed, or for what happens by itself: seconds in which they need no core. */
const WAITING = [
  'test/**/*-restart.test.ts',
  'test/integration/{cli-demo,cli-serve,resource-updates,audit-service,tls-rotation,tracing,reload-process}.test.ts',
  'test/integration/{replicas-sessions,start-up,engine-catalogue,engine-clusters}.test.ts',
  'test/fault/{soak,engine-limits}.test.ts',
  'test/conformance/conformance.test.ts',
  'test/security/slow-clients.test.ts',
];

/** They mock modules of Node, which others of their process would find mocked, or load next to nothing. */
const ALONE = ['test/unit/cli/write-secretly.test.ts', 'test/packaging/**/*.test.ts'];

/** Set by .ci/run, which counts from the file. */
const outputFile = process.env.TEST_REPORT;

export default defineConfig({
  test: {
    projects: [
      // To load the service takes a second: the files of a worker share what one has loaded. What the watch of
      // secrets saw in one file is forgotten before the next, and no file may count on modules that are fresh.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          exclude: [...ALONE, ...WAITING],
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'tests',
          include: ['test/**/*.test.ts'],
          exclude: ['test/unit/**', ...ALONE, ...WAITING],
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      { extends: true, test: { name: 'alone', include: ALONE, sequence: { groupOrder: 2 } } },
      {
        extends: true,
        test: { name: 'waiting', include: WAITING, maxWorkers: 6, sequence: { groupOrder: 3 } },
      },
    ],
    globalSetup: ['test/support/process-cache.ts'],
    setupFiles: ['test/support/canary-setup.ts', 'test/support/clean-globals.ts'],
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

import { defineConfig } from 'vitest/config';
import { CanaryReporter } from './test/support/canary-reporter.ts';
import { SkippedReporter } from './test/support/skipped-reporter.ts';

/** Set by .ci/run, which counts from the file. */
const outputFile = process.env.TEST_REPORT;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
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

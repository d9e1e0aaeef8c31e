import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files of tests that wait for real time. They run last: most mutants are killed before. */
const SLOW = /\/(?:runs|lost-file|audit-log|disk-faults|search)\.test\.ts$/;

/** Vitest begins with the longest file, which is right where files run side by side and wrong where one failure ends all. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSlow = ({ moduleId }: TestSpecification): boolean => SLOW.test(moduleId);
    return [...sorted.filter((file) => !isSlow(file)), ...sorted.filter(isSlow)];
  }
}

/** Every line of a record is synced, thousands of times a run: half of the time of the audit's tests on a disk. */
const IN_MEMORY = '/dev/shm';

/**
 * The tests that Stryker runs against mutants: those of the rooms it mutates, but for a few that take seconds and find
 * what others find; those that try whatever comes would, for each mutant that they find, look for its smallest case.
 * One worker serves all files of a run: a mutant is switched on by a global, and those that need a file to be read anew
 * are left out (`ignoreStatic`).
 */
export default defineConfig({
  test: {
    include: ['test/unit/{access,audit}/**/*.test.ts', 'test/unit/proxmox/api-path.test.ts'],
    exclude: ['test/unit/**/properties.test.ts', 'test/unit/audit/verify.test.ts'],
    isolate: false,
    sequence: { sequencer: QuickFirst },
    env: existsSync(IN_MEMORY) ? { TMPDIR: IN_MEMORY } : {},
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});

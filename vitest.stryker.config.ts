import { defineConfig } from 'vitest/config';

/**
 * The tests that Stryker runs against mutants: those of the rooms it mutates, but for a few that take seconds and find
 * what others find. One worker serves all files of a run: a mutant is switched on by a global, and those that need a file
 * to be read anew are left out (`ignoreStatic`).
 */
export default defineConfig({
  test: {
    include: ['test/unit/{access,audit}/**/*.test.ts', 'test/unit/proxmox/api-path.test.ts'],
    exclude: ['test/unit/access/policy/properties.test.ts', 'test/unit/audit/verify.test.ts'],
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});

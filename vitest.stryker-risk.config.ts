import { defineConfig } from 'vitest/config';

/** The risk table is read once, when its file is loaded: each mutant of it takes all of these tests, each file anew. */
export default defineConfig({
  test: { include: ['test/unit/catalogue/risk.test.ts', 'test/golden/risk-table.test.ts'] },
});

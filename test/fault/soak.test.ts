import { expect, it } from 'vitest';
import { soak } from '../soak/soak.ts';
import { problemsOf } from '../soak/verdict.ts';

it('answers every call while things go wrong at random, and holds nothing afterwards', {
  timeout: 120_000,
}, async () => {
  const report = await soak({
    bouts: 2,
    boutSeconds: 9,
    clients: 6,
    seed: Date.now() % 1_000_000,
    isPatient: false,
  });
  expect(problemsOf(report), `seed ${report.seed}: ${JSON.stringify(report.outcomes)}`).toEqual([]);
  expect(report.outcomes.ok).toBeGreaterThan(50);
  expect(report.writes).toBeGreaterThan(10);
});

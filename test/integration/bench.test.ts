import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Figure } from '../bench/figures.ts';
import type { Outcome } from '../bench/report.ts';
import { folderWith } from '../support/config-folder.ts';

const RUN = resolve(import.meta.dirname, '../bench/run.ts');
const run = promisify(execFile);

function bench(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [RUN, ...args], { timeout: 18_000, killSignal: 'SIGTERM' });
}

test('the bench runs on a small estate, through processes of its own, and says what it found', async () => {
  const file = join(folderWith(), 'figures.json');
  const size = ['--clusters', '2', '--guests', '6', '--rounds', '2', '--calls', '3'];
  const { stdout, stderr } = await bench(
    '--only',
    'selection',
    '--only',
    'find-guests',
    '--json',
    file,
    ...size,
  );
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^\d+ cores, .*Node v\d+/);
  expect(stdout).toContain('2 simulated clusters with 6 guests');
  const { outcomes }: { outcomes: Outcome[] } = JSON.parse(await readFile(file, 'utf8'));
  expect(outcomes.map((outcome) => outcome.bench)).toEqual(['selection', 'find-guests']);
  const cached = outcomes.flatMap(({ figures }) => figures).find(({ name }) => name.includes('cached, p50'));
  expect(cached).toMatchObject({
    unit: 'ms',
    goal: 5,
    median: expect.any(Number),
    baseline: { name: 'describe_api', median: expect.any(Number) },
    ratio: expect.any(Number),
  } satisfies Partial<Record<keyof Figure, unknown>>);
  expect(cached?.rounds).toHaveLength(2);
});

test('a bench that there is none of is an error that names those there are', async () => {
  const failed = await bench('--only', 'nothing').catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: 2, stderr: expect.stringContaining('fleet-query') });
});

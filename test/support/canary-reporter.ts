import type { Reporter, TestModule } from 'vitest/node';
import type { CanaryCounts } from './canary-watch.ts';

/** One line at the end of a run: how many secrets were watched, in how much, and what was found. */
export class CanaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const files = modules.flatMap((module) => module.meta().canaries ?? []);
    if (files.length > 0) process.stdout.write(`\n${summaryOf(files)}\n`);
  }
}

/** @param files the counts of each test file */
export function summaryOf(files: readonly CanaryCounts[]): string {
  const sum = (count: (file: CanaryCounts) => number): number =>
    files.reduce((total, file) => total + count(file), 0);
  const kinds = new Set(files.flatMap((file) => file.kinds));
  const outputs = sum(({ outlets }) => Object.values(outlets).reduce((total, count) => total + count, 0));
  const megabytes = Math.round(sum((file) => file.characters) / 1e6);
  const seconds = (sum((file) => file.milliseconds) / 1000).toFixed(1);
  return [
    `canaries: ${sum((file) => file.secrets)} secrets of ${kinds.size} kinds watched in ${files.length} files`,
    `${outputs} outputs (${megabytes} MB) searched in ${seconds} s`,
    `${sum((file) => file.shown.length)} shown on purpose`,
    `${sum((file) => file.hits.length)} hits`,
  ].join(', ');
}

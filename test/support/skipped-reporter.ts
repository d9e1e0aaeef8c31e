import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

/** Lists what was skipped and why, at the end of a run: the default reporter counts skipped tests without a word. */
export class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines = modules.flatMap((module) =>
      [...module.children.allTests('skipped')].flatMap((test) => {
        const result = test.result();
        const reason = result.state === 'skipped' ? result.note : undefined;
        // Behind a hook that failed; the failure is reported, and this follows from it.
        if (reason === undefined && module.state() === 'failed') return [];
        return ` ↓ ${relative('.', module.moduleId)} > ${test.fullName}: ${reason ?? 'no reason given'}\n`;
      }),
    );
    if (lines.length > 0) process.stdout.write(`\nSkipped:\n${lines.join('')}`);
  }
}

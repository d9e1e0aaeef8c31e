import { describe, expect, it } from 'vitest';
import { progressOf } from '../../../../src/tools/tasks/task-log.ts';

describe('how far a task is', () => {
  it.each([
    ['a backup', 'INFO:  45% (14.4 GiB of 32.0 GiB) in 1m 3s, read: 241.7 MiB/s, write: 201.2 MiB/s', 45],
    ['a move', 'transferred 4.1 GiB of 32.0 GiB (12.81%)', 12.81],
    ['a clone', 'drive-scsi0: transferred 4.1 GiB of 32.0 GiB (100.00%) in 2m 3s, ready', 100],
  ])('is read from the log of %s', (_what, line, percent) => {
    expect(progressOf(['starting', line], 3)).toEqual({ lines: [line], percent });
  });

  it('has no share where the line names none: a migration tells what it transferred', () => {
    const line = 'migration active, transferred 1.2 GiB of 8.0 GiB VM-state, 110.6 MiB/s';
    expect(progressOf([line], 3)).toEqual({ lines: [line], percent: undefined });
  });

  it('is the last that is told, of a few lines at most', () => {
    const lines = Array.from({ length: 20 }, (_, index) => `INFO: ${index}% done`);
    expect(progressOf([...lines, 'INFO: something else'], 3)).toEqual({
      lines: ['INFO: 17% done', 'INFO: 18% done', 'INFO: 19% done'],
      percent: 19,
    });
  });

  it('is no figure over 100, and nothing where no line tells', () => {
    expect(progressOf(['cpu at 250%'], 3).percent).toBeUndefined();
    expect(progressOf(['starting', 'copying disk 1 of 2'], 3)).toEqual({ lines: [], percent: undefined });
  });
});

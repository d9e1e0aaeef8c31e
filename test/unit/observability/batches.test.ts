import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { inBatches } from '../../../src/observability/logging.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('lines are written together after some milliseconds, in their order', () => {
  const written: string[] = [];
  const lines = inBatches({ write: (text) => void written.push(text) });
  lines.write('one\n');
  lines.write('two\n');
  expect(written).toEqual([]);
  vi.advanceTimersByTime(40);
  expect(written).toEqual(['one\ntwo\n']);
  vi.advanceTimersByTime(100);
  lines.write('three\n');
  vi.advanceTimersByTime(40);
  expect(written).toEqual(['one\ntwo\n', 'three\n']);
});

it('many lines do not wait, and the end of the process writes what is left', () => {
  const before = process.listeners('exit');
  const written: string[] = [];
  const lines = inBatches({ write: (text) => void written.push(text) });
  const [flush] = process.listeners('exit').filter((listener) => !before.includes(listener));
  lines.write('x'.repeat(70_000));
  expect(written).toHaveLength(1);
  lines.write('last\n');
  flush?.(0);
  expect(written[1]).toBe('last\n');
});

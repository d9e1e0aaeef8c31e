import { afterAll, vi } from 'vitest';

/* Files share a process: a clock or a function that one replaced, and a test that failed didn't put back, ends with it. */
afterAll(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

/**
 * Preloaded into a service under test, and into nothing else: tells its heap and how long its event loop was blocked.
 * It answers messages, which only the process that started it can send.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Probed } from './probed.ts';

const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

process.on('message', async (question: { probe?: 'heap' | 'reset' | 'delay' }) => {
  if (question.probe === 'reset') delay.reset();
  if (question.probe === 'heap') await collect();
  const answer: Probed = {
    heapBytes: process.memoryUsage().heapUsed,
    rssBytes: process.memoryUsage().rss,
    longestBlockMs: Math.max(0, delay.max / 1e6 - RESOLUTION_MS),
  };
  process.send?.(answer);
});
// It must not keep the service from ending.
process.channel?.unref();

/** Twice, with a pause: what was waited for by a finaliser goes the second time. */
async function collect(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

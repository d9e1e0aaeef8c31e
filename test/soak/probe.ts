// Loaded into the service before its own code: tells what the process holds, when it is asked over IPC.
import { readdirSync } from 'node:fs';

let unhandled = 0;
process.on('unhandledRejection', () => {
  unhandled += 1;
});
process.on('message', (message: { ask?: string }) => {
  if (message.ask !== 'probe') return;
  globalThis.gc?.();
  globalThis.gc?.();
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const { heapUsed, rss, external } = process.memoryUsage();
  const files = readdirSync('/proc/self/fd').length;
  process.send?.({ heapUsed, external, rss, files, resources, unhandled });
});
// The channel alone must not keep the process alive.
process.channel?.unref();

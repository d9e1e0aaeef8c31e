import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Logger } from 'pino';
import type { Caller, Dispatcher } from './dispatcher.ts';
import { createModernServer } from './modern.ts';

/** Serves one client over standard input and output, in whichever era it speaks. */
export function openStdioDoor(
  dispatcher: Dispatcher,
  caller: Caller,
  logger: Logger,
): { close(): Promise<void> } {
  return serveStdio(() => createModernServer(dispatcher, caller), {
    onerror: (error) => logger.warn({ problem: error.message }, 'stdio'),
  });
}

import type { Server } from '@modelcontextprotocol/server';
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
  // The SDK asks for a server to probe with and may drop it for another one.
  const servers = new Set<Server>();
  const create = (): Server => {
    const server = createModernServer(dispatcher, caller);
    servers.add(server);
    server.onclose = () => servers.delete(server);
    return server;
  };
  const unsubscribe = dispatcher.listChanges.subscribe(caller.directory, {
    changed: () => {
      for (const server of servers) server.sendToolListChanged().catch(() => undefined);
    },
    gone: () => undefined,
  });
  const door = serveStdio(create, {
    onerror: (error) => logger.warn({ problem: error.message }, 'stdio'),
  });
  return {
    close: async () => {
      unsubscribe();
      await door.close();
    },
  };
}

import type { Server } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Logger } from 'pino';
import type { Caller, Dispatcher } from './dispatcher.ts';
import { createModernServer } from './modern.ts';
import { ObservedStdio, StdioListens } from './stdio-listens.ts';

/** Serves one client over standard input and output, in whichever era it speaks. */
export function openStdioDoor(
  dispatcher: Dispatcher,
  caller: Caller,
  logger: Logger,
): { close(): Promise<void> } {
  // The SDK asks for a server to probe with and may drop it for another one.
  const servers = new Set<Server>();
  /** Those of the legacy era: revision 2026-07-28 knows no messages beside a request. */
  const initialized = new WeakSet<Server>();
  const tell = (send: (server: Server) => Promise<void>): void => {
    for (const server of servers) send(server).catch(() => undefined);
  };
  const watches = dispatcher.beside.watches((uri) => tell((server) => server.sendResourceUpdated({ uri })));
  const create = (): Server => {
    const server = createModernServer(dispatcher, caller, { withInstructions: true, watches });
    servers.add(server);
    server.oninitialized = () => initialized.add(server);
    server.onclose = () => servers.delete(server);
    return server;
  };
  const unsubscribe = dispatcher.listChanges.subscribe(caller.directory, {
    changed: ({ tools, resources }) => {
      if (tools) tell((server) => server.sendToolListChanged());
      if (resources) tell((server) => server.sendResourceListChanged());
    },
    gone: () => undefined,
  });
  const deaf = dispatcher.alertNews.subscribe(caller, (message) => {
    tell(async (server) => {
      if (initialized.has(server)) await server.sendLoggingMessage(message);
    });
  });
  const listens = new StdioListens({
    begin: (uri) => {
      watches
        .subscribe(uri, caller)
        .catch((error: Error) => logger.debug({ problem: error.message }, 'subscription'));
    },
    end: (uri) => watches.unsubscribe(uri),
  });
  const transport = new ObservedStdio((message) => listens.observe(message));
  const door = serveStdio(create, {
    transport,
    onerror: (error) => logger.warn({ problem: error.message }, 'stdio'),
  });
  return {
    close: async () => {
      unsubscribe();
      deaf();
      watches.close();
      await door.close();
    },
  };
}

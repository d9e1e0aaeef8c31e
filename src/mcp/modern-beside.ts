import { ProtocolError, type Server } from '@modelcontextprotocol/server';
import type { BesideTools } from './beside-tools.ts';
import type { Caller } from './dispatcher.ts';
import { ProtocolProblem } from './protocol-problem.ts';
import type { SessionWatches } from './session-watches.ts';

/**
 * Answers what is no tool's on a server of the v2 SDK.
 *
 * @param watches where clients of the legacy era may subscribe by request; revision 2026-07-28 has its own streams
 */
export function serveBesideTools(
  server: Server,
  beside: BesideTools,
  caller: Caller,
  watches: SessionWatches | undefined,
): void {
  const { resources } = beside;
  server.setRequestHandler('resources/list', ({ params }, { mcpReq }) =>
    asked(() => resources.list(params?.cursor, caller, mcpReq.signal)),
  );
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: resources.templates(caller),
  }));
  server.setRequestHandler('resources/read', ({ params }, { mcpReq }) =>
    asked(() => resources.read(params.uri, caller, mcpReq.signal)),
  );
  server.setRequestHandler('prompts/list', () => ({ prompts: beside.listPrompts(caller) }));
  server.setRequestHandler('prompts/get', ({ params }) =>
    asked(async () => beside.getPrompt(params, caller)),
  );
  server.setRequestHandler('completion/complete', ({ params }, { mcpReq }) =>
    asked(() => beside.complete(params, caller, mcpReq.signal)),
  );
  if (watches === undefined) return;
  server.setRequestHandler('resources/subscribe', ({ params }) =>
    asked(async () => {
      await watches.subscribe(params.uri, caller);
      return {};
    }),
  );
  server.setRequestHandler('resources/unsubscribe', ({ params }) => {
    watches.unsubscribe(params.uri);
    return {};
  });
}

async function asked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProtocolProblem) throw new ProtocolError(error.code, error.message, error.data);
    throw error;
  }
}

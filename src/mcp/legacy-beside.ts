import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CompleteRequestSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { BesideTools } from './beside-tools.ts';
import { carried } from './carried.ts';
import type { Caller } from './dispatcher.ts';
import { ProtocolProblem } from './protocol-problem.ts';
import type { SessionWatches } from './session-watches.ts';

/** What a request of the v1 SDK brings along. */
interface Extra {
  authInfo?: Parameters<typeof carried>[0];
  signal: AbortSignal;
}

/**
 * Answers what is no tool's on a session of the legacy era; its subscriptions end with it.
 *
 * @returns says who makes a request: to be asked for each, because the session may go on with another credential
 */
export function serveBesideTools(
  server: Server,
  beside: BesideTools,
  door: Caller['door'],
): (extra: Pick<Extra, 'authInfo'>) => Caller {
  let watches: SessionWatches | undefined;
  const { resources } = beside;
  const callerOf = ({ authInfo }: Pick<Extra, 'authInfo'>): Caller => {
    const caller = carried(authInfo, door);
    watches?.renew(caller);
    return caller;
  };
  server.onclose = () => watches?.close();
  server.setRequestHandler(ListResourcesRequestSchema, ({ params }, extra) =>
    asked(() => resources.list(params?.cursor, callerOf(extra), extra.signal)),
  );
  server.setRequestHandler(ListResourceTemplatesRequestSchema, (_request, extra) => ({
    resourceTemplates: resources.templates(callerOf(extra)),
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }, extra) =>
    asked(() => resources.read(params.uri, callerOf(extra), extra.signal)),
  );
  server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }, extra) =>
    asked(async () => {
      watches ??= beside.watches((changed) => {
        server.sendResourceUpdated({ uri: changed }).catch(() => undefined);
      });
      await watches.subscribe(uri, callerOf(extra));
      return {};
    }),
  );
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }) => {
    watches?.unsubscribe(uri);
    return {};
  });
  server.setRequestHandler(ListPromptsRequestSchema, (_request, extra) => ({
    prompts: beside.listPrompts(callerOf(extra)),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }, extra) =>
    asked(async () => beside.getPrompt(params, callerOf(extra))),
  );
  server.setRequestHandler(CompleteRequestSchema, ({ params }, extra) =>
    asked(() => beside.complete(params, callerOf(extra), extra.signal)),
  );
  return callerOf;
}

async function asked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProtocolProblem) throw new McpError(error.code, error.message, error.data);
    throw error;
  }
}

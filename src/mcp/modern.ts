import { ProtocolError, ProtocolErrorCode, Server } from '@modelcontextprotocol/server';
import { type Caller, type Dispatcher, UnknownToolError } from './dispatcher.ts';
import { IDENTITY, INSTRUCTIONS } from './identity.ts';

/**
 * A server of the v2 SDK: for one request of revision 2026-07-28 over HTTP, or for one stdio connection of either era.
 */
export function createModernServer(dispatcher: Dispatcher, caller: Caller): Server {
  const server = new Server(IDENTITY, {
    capabilities: { tools: { listChanged: true } },
    instructions: INSTRUCTIONS,
  });
  server.setRequestHandler('tools/list', () => ({ tools: [...dispatcher.listTools(caller)] }));
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const { signal, notify, _meta } = context.mcpReq;
    const token = _meta?.progressToken;
    try {
      return await dispatcher.callTool(params.name, params.arguments, caller, {
        signal,
        progress:
          token === undefined
            ? undefined
            : (update) => {
                // A progress that can't be delivered changes nothing about the call.
                notify({
                  method: 'notifications/progress',
                  params: { ...update, progressToken: token },
                }).catch(() => undefined);
              },
      });
    } catch (error) {
      if (error instanceof UnknownToolError)
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, error.message);
      throw error;
    }
  });
  return server;
}

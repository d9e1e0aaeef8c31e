import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js';
import type { Plan } from '../access/approvals/plan.ts';
import { carried } from './carried.ts';
import { type Caller, type CallOptions, type Dispatcher, UnknownToolError } from './dispatcher.ts';
import { approvalForm, awaitPerson, canAskPerson, PERSON_MS, withPerson } from './elicitation.ts';
import { IDENTITY, INSTRUCTIONS } from './identity.ts';

/**
 * One server of the legacy era (revisions 2024-11-05 to 2025-11-25) for one session. The low-level `Server` is used
 * because it costs no per-session schemas.
 */
export function createLegacyServer(dispatcher: Dispatcher, door: Caller['door']): Server {
  const server = new Server(IDENTITY, {
    capabilities: { tools: { listChanged: true } },
    instructions: INSTRUCTIONS,
  });
  server.setRequestHandler(ListToolsRequestSchema, (_request, { authInfo }) => ({
    tools: [...dispatcher.listTools(carried(authInfo, door))],
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const { signal, authInfo, sendNotification, sendRequest } = extra;
    const token = params._meta?.progressToken;
    const progress: CallOptions['progress'] =
      token === undefined
        ? undefined
        : (update) => {
            const notification = {
              method: 'notifications/progress' as const,
              params: { ...update, progressToken: token },
            };
            // A progress that can't be delivered changes nothing about the call.
            sendNotification(notification).catch(() => undefined);
          };
    const askPerson = (plan: Plan) => {
      const request = { method: 'elicitation/create' as const, params: approvalForm(plan, Date.now()) };
      return awaitPerson(
        () => sendRequest(request, ElicitResultSchema, { timeout: PERSON_MS, signal }),
        progress,
      );
    };
    try {
      const caller = carried(authInfo, door);
      return await withPerson(
        (ask) => dispatcher.callTool(params.name, params.arguments, caller, { signal, progress, ask }),
        canAskPerson(server.getClientCapabilities()) ? askPerson : undefined,
      );
    } catch (error) {
      if (error instanceof UnknownToolError) throw new McpError(ErrorCode.InvalidParams, error.message);
      throw error;
    }
  });
  return server;
}

/**
 * Tells the client of a session that its list of tools has changed. One that has not said `initialize` yet has none;
 * one that can't be told is not waited for.
 */
export function announceTools(server: Server): void {
  if (server.getClientVersion() !== undefined) server.sendToolListChanged().catch(() => undefined);
}

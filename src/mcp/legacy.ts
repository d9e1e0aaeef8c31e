import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js';
import type { Plan } from '../access/approvals/plan.ts';
import { CAPABILITIES } from './beside-tools.ts';
import type { Caller, CallOptions, Dispatcher } from './dispatcher.ts';
import { approvalForm, awaitPerson, canAskPerson, PERSON_MS, withPerson } from './elicitation.ts';
import { IDENTITY } from './identity.ts';
import { serveBesideTools } from './legacy-beside.ts';
import type { ChangedLists } from './list-changes.ts';
import { UnknownToolError } from './offered-tools.ts';

/**
 * One server of the legacy era (revisions 2024-11-05 to 2025-11-25) for one session. The low-level `Server` is used
 * because it costs no per-session schemas.
 *
 * @param opener who opens the session; each request brings its own caller
 */
export function createLegacyServer(dispatcher: Dispatcher, opener: Caller): Server {
  const { door } = opener;
  const server = new Server(IDENTITY, {
    capabilities: CAPABILITIES,
    instructions: dispatcher.beside.instructions(opener),
  });
  const callerOf = serveBesideTools(server, dispatcher.beside, door);
  server.setRequestHandler(ListToolsRequestSchema, (_request, extra) => ({
    tools: [...dispatcher.listTools(callerOf(extra))],
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const { signal, sendNotification, sendRequest } = extra;
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
      const caller = callerOf(extra);
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
 * Tells the client of a session which of its lists have changed. One that has not said `initialize` yet has none; one
 * that can't be told is not waited for.
 */
export function announceLists(server: Server, { tools, resources }: ChangedLists): void {
  if (server.getClientVersion() === undefined) return;
  if (tools) server.sendToolListChanged().catch(() => undefined);
  if (resources) server.sendResourceListChanged().catch(() => undefined);
}

import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js';
import type { Plan } from '../access/approvals/plan.ts';
import type { ToolListing } from '../tools/registry.ts';
import type { AlertMessage } from './alert-news.ts';
import { LASTING_CAPABILITIES } from './beside-tools.ts';
import type { Caller, CallOptions, Dispatcher, ToolResult } from './dispatcher.ts';
import { approvalForm, awaitPerson, canAskPerson, PERSON_MS, withPerson } from './elicitation.ts';
import { IDENTITY } from './identity.ts';
import { serveBesideTools } from './legacy-beside.ts';
import type { ChangedLists } from './list-changes.ts';
import { UnknownToolError } from './offered-tools.ts';

/** A server of the legacy era, and the ways to it that need no message of the SDK. */
export interface LegacySession {
  server: Server;
  /** @throws McpError for an unknown tool */
  callTool(params: CallParams, extra: CallExtra): Promise<ToolResult>;
  listTools(extra: Pick<CallExtra, 'authInfo'>): readonly ToolListing[];
}

interface CallParams {
  name: string;
  arguments?: Readonly<Record<string, unknown>> | undefined;
  _meta?: { progressToken?: string | number | undefined; traceparent?: unknown } | undefined;
}

/** What a call needs of its request; the SDK's own `extra` is one. */
type CallExtra = Pick<
  RequestHandlerExtra<ServerRequest, ServerNotification>,
  'authInfo' | 'signal' | 'sendNotification' | 'sendRequest'
>;

/**
 * One server of the legacy era (revisions 2024-11-05 to 2025-11-25) for one session. The low-level `Server` is used
 * because it costs no per-session schemas.
 *
 * @param opener who opens the session; each request brings its own caller
 */
export function createLegacyServer(dispatcher: Dispatcher, opener: Caller): Server {
  return createLegacySession(dispatcher, opener).server;
}

/** As `createLegacyServer`. */
export function createLegacySession(dispatcher: Dispatcher, opener: Caller): LegacySession {
  const { door } = opener;
  const server = new Server(IDENTITY, {
    capabilities: LASTING_CAPABILITIES,
    instructions: dispatcher.beside.instructions(opener),
  });
  const callerOf = serveBesideTools(server, dispatcher.beside, door);
  const listTools: LegacySession['listTools'] = (extra) => dispatcher.listTools(callerOf(extra));
  const callTool: LegacySession['callTool'] = async (params, extra) => {
    const { signal, sendNotification, sendRequest } = extra;
    const token = params._meta?.progressToken;
    const traceparent = params._meta?.traceparent;
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
        (ask) =>
          dispatcher.callTool(params.name, params.arguments, caller, { signal, progress, ask, traceparent }),
        canAskPerson(server.getClientCapabilities()) ? askPerson : undefined,
      );
    } catch (error) {
      if (error instanceof UnknownToolError) throw new McpError(ErrorCode.InvalidParams, error.message);
      throw error;
    }
  };
  server.setRequestHandler(ListToolsRequestSchema, (_request, extra) => ({ tools: [...listTools(extra)] }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => callTool(params, extra));
  return { server, callTool, listTools };
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

/** Tells the client of a session of an alert, unless it has asked for graver messages alone (`logging/setLevel`). */
export function announceAlert(server: Server, message: AlertMessage, sessionId: string): void {
  if (server.getClientVersion() === undefined) return;
  server.sendLoggingMessage(message, sessionId).catch(() => undefined);
}

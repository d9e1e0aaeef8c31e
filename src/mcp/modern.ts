import {
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  inputResponse,
  PROTOCOL_VERSION_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { AskPerson } from '../access/approvals/approvals.ts';
import { CAPABILITIES, LASTING_CAPABILITIES } from './beside-tools.ts';
import type { Caller, CallOptions, Dispatcher } from './dispatcher.ts';
import {
  answerOf,
  approvalForm,
  awaitPerson,
  canAskPerson,
  PERSON_MS,
  type PersonsDecision,
  PlanQuestion,
  withPerson,
} from './elicitation.ts';
import { IDENTITY } from './identity.ts';
import { serveBesideTools } from './modern-beside.ts';
import { UnknownToolError } from './offered-tools.ts';
import type { SessionWatches } from './session-watches.ts';

/** What a client brings back with a person's answer: which plan the question was about. */
export interface AskedState {
  plan: number;
}

/** The name of the question in `inputRequests`. */
export const QUESTION = 'approval';

interface ModernOptions {
  /** For what opens a conversation: working them out for each request would be in vain. */
  withInstructions?: boolean;
  /** Of a connection that lasts: legacy clients subscribe on it by request. */
  watches?: SessionWatches;
}

/**
 * A server of the v2 SDK: for one request of revision 2026-07-28 over HTTP, or for one stdio connection of either era.
 */
export function createModernServer(
  dispatcher: Dispatcher,
  caller: Caller,
  { withInstructions = false, watches }: ModernOptions = {},
): Server {
  const codec = createRequestStateCodec<AskedState>({
    key: dispatcher.stateKey,
    bind: () => caller.principal.id,
  });
  const server = new Server(IDENTITY, {
    capabilities: watches === undefined ? CAPABILITIES : LASTING_CAPABILITIES,
    ...(withInstructions ? { instructions: dispatcher.beside.instructions(caller) } : {}),
    requestState: { verify: codec.verify },
  });
  serveBesideTools(server, dispatcher.beside, caller, watches);
  server.setRequestHandler('tools/list', () => ({ tools: [...dispatcher.listTools(caller)] }));
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const { signal } = context.mcpReq;
    const envelope: Readonly<Record<string, unknown>> | undefined = context.mcpReq.envelope;
    const progress = progressOf(context);
    const traceparent = context.mcpReq._meta?.traceparent;
    const call = (ask: AskPerson | undefined) =>
      dispatcher.callTool(params.name, params.arguments, caller, { signal, progress, ask, traceparent });
    const isModern = envelope?.[PROTOCOL_VERSION_META_KEY] !== undefined;
    const capabilities = isModern ? envelope[CLIENT_CAPABILITIES_META_KEY] : server.getClientCapabilities();
    try {
      if (!canAskPerson(capabilities)) return await call(undefined);
      if (isModern) return await askedByResult(call, context, codec);
      return await withPerson(call, (plan) =>
        awaitPerson(
          () =>
            context.mcpReq.send(
              { method: 'elicitation/create', params: approvalForm(plan, Date.now()) },
              { timeout: PERSON_MS, signal },
            ),
          progress,
        ),
      );
    } catch (error) {
      if (error instanceof UnknownToolError)
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, error.message);
      throw error;
    }
  });
  return server;
}

/**
 * The question as revision 2026-07-28 has it: it is the result, and the client repeats the call with the answer. The
 * signed state says which plan the person saw; an answer without it counts for nothing.
 */
async function askedByResult(
  call: (ask: AskPerson) => ReturnType<Dispatcher['callTool']>,
  context: ServerContext,
  codec: RequestStateCodec<AskedState>,
) {
  const question = new PlanQuestion(decisionIn(context));
  const result = await call(question.ask);
  const plan = question.openAfter(result);
  if (plan === undefined) return result;
  return inputRequired({
    inputRequests: { [QUESTION]: inputRequired.elicit(approvalForm(plan, Date.now())) },
    requestState: await codec.mint({ plan: plan.number }, context),
  });
}

function decisionIn({ mcpReq }: ServerContext): PersonsDecision | undefined {
  // The SDK has checked the signature, and refuses the request where it is wrong.
  const state = mcpReq.requestState<AskedState>();
  const response = inputResponse(mcpReq.inputResponses, QUESTION);
  if (state === undefined || response.kind !== 'elicit') return undefined;
  return { plan: state.plan, answer: answerOf(response) };
}

function progressOf({ mcpReq: { notify, _meta } }: ServerContext): CallOptions['progress'] {
  const token = _meta?.progressToken;
  if (token === undefined) return undefined;
  return (update) => {
    // A progress that can't be delivered changes nothing about the call.
    notify({ method: 'notifications/progress', params: { ...update, progressToken: token } }).catch(
      () => undefined,
    );
  };
}

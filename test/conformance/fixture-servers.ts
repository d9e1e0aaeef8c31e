import {
  CallToolRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  SetLevelRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import {
  createRequestStateCodec,
  inputRequired,
  MissingRequiredClientCapabilityError,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { createLegacyServer } from '../../src/mcp/legacy.ts';
import { createModernServer } from '../../src/mcp/modern.ts';
import type { DoorServers } from '../../src/mcp/streamable-http.ts';

type LegacyServer = ReturnType<typeof createLegacyServer>;
type ModernServer = ReturnType<typeof createModernServer>;
// biome-ignore lint/suspicious/noExplicitAny: handlers of two SDKs, which share no type
type Handler = (request: any, extra: any) => any;

const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] });
const said = (value: unknown) => text(JSON.stringify(value));

/** The handler that production has set, so that all but the fixture's own names go its way. */
function handlerOf(server: LegacyServer | ModernServer, method: string): Handler {
  const handlers = Reflect.get(server, '_requestHandlers') as Map<string, Handler>;
  const handler = handlers.get(method);
  if (handler === undefined) throw new Error(`the server has no handler for ${method}`);
  return handler;
}

const form = (properties: Record<string, object>, required: string[] = []) => ({
  type: 'object' as const,
  properties,
  required,
});

const DEFAULTS = form({
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
});
const OPTIONS = ['option1', 'option2', 'option3'];
const TITLED = [1, 2, 3].map((n) => ({ const: `value${n}`, title: `Option ${n}` }));
const ENUMS = form({
  untitledSingle: { type: 'string', enum: OPTIONS },
  titledSingle: { type: 'string', oneOf: TITLED },
  legacyEnum: {
    type: 'string',
    enum: ['opt1', 'opt2', 'opt3'],
    enumNames: ['Option One', 'Option Two', 'Option Three'],
  },
  untitledMulti: { type: 'array', items: { type: 'string', enum: OPTIONS } },
  titledMulti: { type: 'array', items: { anyOf: TITLED } },
});

const elicitation = (message: string, requestedSchema: object) => ({
  method: 'elicitation/create',
  params: { message, requestedSchema },
});
const sampling = (prompt: string) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens: 100 },
});

/** What the server asks the client during a call, which revisions up to 2025-11-25 allow. */
const LEGACY_CALLS: Readonly<Record<string, Handler>> = {
  test_tool_with_logging: async (_request, { sendNotification }) => {
    for (const data of ['started', 'working', 'done'])
      await sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
    return text('Logged.');
  },
  test_sampling: async ({ params }, { sendRequest }) =>
    said(await sendRequest(sampling(String(params.arguments?.prompt)), CreateMessageResultSchema)),
  test_elicitation: async ({ params }, { sendRequest }) => {
    const schema = form({ response: { type: 'string' } }, ['response']);
    return said(
      await sendRequest(elicitation(String(params.arguments?.message), schema), ElicitResultSchema),
    );
  },
  test_elicitation_sep1034_defaults: async (_request, { sendRequest }) =>
    said(await sendRequest(elicitation('Review the defaults.', DEFAULTS), ElicitResultSchema)),
  test_elicitation_sep1330_enums: async (_request, { sendRequest }) =>
    said(await sendRequest(elicitation('Choose.', ENUMS), ElicitResultSchema)),
};

function legacyServer(...args: Parameters<typeof createLegacyServer>): LegacyServer {
  const server = createLegacyServer(...args);
  server.registerCapabilities({ logging: {} });
  server.setRequestHandler(SetLevelRequestSchema, () => ({}));
  const inherited = handlerOf(server, 'tools/call');
  server.setRequestHandler(CallToolRequestSchema, (request, extra) =>
    (LEGACY_CALLS[request.params.name] ?? inherited)(request, extra),
  );
  return server;
}

interface Round {
  params: { inputResponses?: Record<string, unknown> };
  /** Of the signed state that the client brought back. */
  state: Record<string, unknown> | undefined;
  answers: Record<string, unknown>;
  capabilities: Record<string, unknown>;
  context: ServerContext;
  /** Signs what the client is to bring back. */
  mint(state: Record<string, unknown>): Promise<string>;
}

const ask = (message: string, name: string, type: 'string' | 'boolean' = 'string') =>
  inputRequired.elicit({ message, requestedSchema: form({ [name]: { type } }, [name]) } as never);
const sample = (prompt: string) =>
  inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
    maxTokens: 50,
  });

/** Asks for these until all are answered. */
function asking(requests: () => Record<string, ReturnType<typeof ask>>, hasState = false) {
  return async ({ answers, state, mint }: Round) => {
    const inputRequests = requests();
    const isAnswered = Object.keys(inputRequests).every((name) => name in answers);
    if (isAnswered && (!hasState || state !== undefined))
      return said({ ...answers, 'state-ok': 'integrity-ok' });
    return inputRequired({
      inputRequests,
      ...(hasState ? { requestState: await mint({ kind: 'asked' }) } : {}),
    });
  };
}

async function rounds({ answers, state, mint }: Round) {
  if (state?.round === 2 && 'step2' in answers) return said(answers);
  return state?.round === 1 && 'step1' in answers
    ? inputRequired({
        inputRequests: { step2: ask('Which colour?', 'color') },
        requestState: await mint({ round: 2 }),
      })
    : inputRequired({
        inputRequests: { step1: ask('What is your name?', 'name') },
        requestState: await mint({ round: 1 }),
      });
}

async function asClientCan({ answers, capabilities, mint }: Round) {
  if (Object.keys(answers).length > 0) return said(answers);
  const inputRequests = {
    ...(capabilities.elicitation ? { elicit_input: ask('A value?', 'value') } : {}),
    ...(capabilities.sampling ? { sample_input: sample('A sample.') } : {}),
  };
  if (Object.keys(inputRequests).length === 0) return text('The client can do nothing that is asked for.');
  return inputRequired({ inputRequests, requestState: await mint({ kind: 'capabilities' }) });
}

/** What a result asks of the client in revision 2026-07-28, and what it must not. */
const MODERN_CALLS: Readonly<Record<string, (round: Round) => Promise<unknown>>> = {
  test_missing_capability: async ({ capabilities }) => {
    if (capabilities.sampling) return text('The client can sample.');
    throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
  },
  test_streaming_elicitation: asking(() => ({ user_name: ask('What is your name?', 'name') })),
  test_logging_tool: async ({ context }) => {
    await context.mcpReq.log('info', 'Only for who has asked for it.');
    return text('Logged, if wanted.');
  },
  test_input_required_result_elicitation: asking(() => ({ user_name: ask('What is your name?', 'name') })),
  test_input_required_result_sampling: asking(() => ({
    capital_question: sample('What is the capital of France?'),
  })),
  test_input_required_result_list_roots: asking(() => ({ client_roots: inputRequired.listRoots() })),
  test_input_required_result_request_state: asking(
    () => ({ confirm: ask('Please confirm', 'ok', 'boolean') }),
    true,
  ),
  test_input_required_result_multiple_inputs: asking(
    () => ({
      user_name: ask('What is your name?', 'name'),
      greeting: sample('Generate a greeting'),
      client_roots: inputRequired.listRoots(),
    }),
    true,
  ),
  test_input_required_result_multi_round: rounds,
  test_input_required_result_tampered_state: asking(
    () => ({ confirm: ask('Please confirm', 'ok', 'boolean') }),
    true,
  ),
  test_input_required_result_capabilities: asClientCan,
};

async function askedForPrompt({ answers }: Round) {
  if (!('user_context' in answers))
    return inputRequired({ inputRequests: { user_context: ask('In what context?', 'context') } });
  const content = { type: 'text', text: JSON.stringify(answers) };
  return { messages: [{ role: 'user', content }] };
}

function modernServer(...args: Parameters<typeof createModernServer>): ModernServer {
  const [dispatcher, caller] = args;
  const server = createModernServer(...args);
  server.registerCapabilities({ logging: {} });
  const codec = createRequestStateCodec<Record<string, unknown>>({
    key: dispatcher.stateKey,
    bind: () => caller.principal.id,
  });
  const roundOf = (params: Round['params'], context: ServerContext): Round => {
    const envelope: Readonly<Record<string, unknown>> = context.mcpReq.envelope ?? {};
    return {
      params,
      context,
      state: context.mcpReq.requestState<Record<string, unknown>>(),
      answers: context.mcpReq.inputResponses ?? {},
      capabilities: (envelope['io.modelcontextprotocol/clientCapabilities'] ?? {}) as Record<string, unknown>,
      mint: (state) => codec.mint(state, context),
    };
  };
  const [calls, prompts] = [handlerOf(server, 'tools/call'), handlerOf(server, 'prompts/get')];
  server.setRequestHandler('tools/call', (async (
    request: { params: Round['params'] & { name: string } },
    context: ServerContext,
  ) => {
    const own = MODERN_CALLS[request.params.name];
    return own ? await own(roundOf(request.params, context)) : await calls(request, context);
  }) as never);
  server.setRequestHandler('prompts/get', (async (
    request: { params: Round['params'] & { name: string } },
    context: ServerContext,
  ) =>
    request.params.name === 'test_input_required_result_prompt'
      ? await askedForPrompt(roundOf(request.params, context))
      : await prompts(request, context)) as never);
  return server;
}

/** Servers of production that can also do what no tool of ours does. */
export function fixtureServers(): DoorServers {
  return { legacy: legacyServer, modern: modernServer };
}

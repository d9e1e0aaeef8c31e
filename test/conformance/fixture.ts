import { ClusterManager } from '../../src/clusters/manager.ts';
import { BesideTools } from '../../src/mcp/beside-tools.ts';
import {
  type Caller,
  type CallOptions,
  Dispatcher,
  type DispatcherOptions,
  type ToolResult,
} from '../../src/mcp/dispatcher.ts';
import { INVALID_PARAMS, ProtocolProblem, RESOURCE_NOT_FOUND } from '../../src/mcp/protocol-problem.ts';
import { SILENT } from '../support/engine-fixtures.ts';
import { buildService } from '../support/service.ts';
import { fixtureServers } from './fixture-servers.ts';
import { fixtureTools, IMAGE, OTHER_CONTENT } from './fixture-tools.ts';

const RESOURCES: Readonly<Record<string, object>> = {
  'test://static-text': { mimeType: 'text/plain', text: 'The content of the static text resource.' },
  'test://static-binary': { mimeType: IMAGE.mimeType, blob: IMAGE.data },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched.' },
};
const TEMPLATE = /^test:\/\/template\/([^/]+)\/data$/;

interface FixturePrompt {
  arguments: readonly string[];
  content(args: Readonly<Record<string, string>>): object;
}

const PROMPTS: Readonly<Record<string, FixturePrompt>> = {
  test_simple_prompt: { arguments: [], content: () => ({ type: 'text', text: 'A simple prompt.' }) },
  test_prompt_with_arguments: {
    arguments: ['arg1', 'arg2'],
    content: ({ arg1, arg2 }) => ({ type: 'text', text: `arg1 is ${arg1}, arg2 is ${arg2}` }),
  },
  test_prompt_with_embedded_resource: {
    arguments: ['resourceUri'],
    content: ({ resourceUri: uri }) => ({
      type: 'resource',
      resource: { uri, mimeType: 'text/plain', text: 'Embedded.' },
    }),
  },
  test_prompt_with_image: { arguments: [], content: () => IMAGE },
  // Answered by the server of the stateless era.
  test_input_required_result_prompt: { arguments: [], content: () => ({ type: 'text', text: '' }) },
};

/** What the suites want to read, in place of clusters; lists, cursors and errors are carried by the same code. */
class FixtureBeside extends BesideTools {
  constructor(dispatcher: Dispatcher) {
    super(dispatcher);
    const contents = (uri: string) => {
      const id = TEMPLATE.exec(uri)?.[1];
      const known =
        id === undefined ? RESOURCES[uri] : { mimeType: 'application/json', text: JSON.stringify({ id }) };
      if (known === undefined) {
        throw new ProtocolProblem(RESOURCE_NOT_FOUND, 'There is no such resource.', { uri });
      }
      return { contents: [{ uri, ...known }] };
    };
    Object.assign(this.resources, {
      list: async () => ({
        resources: Object.keys(RESOURCES).map((uri) => ({ uri, name: uri, title: uri })),
      }),
      templates: () => [{ uriTemplate: 'test://template/{id}/data', name: 'template', title: 'Template' }],
      read: async (uri: string) => contents(uri),
      essence: async (uri: string) => ({ ...contents(uri) }),
    });
  }

  override listPrompts(_caller: Caller) {
    return Object.entries(PROMPTS).map(([name, { arguments: args }]) => {
      return {
        name,
        title: name,
        description: `The suites' ${name}.`,
        arguments: args.map((argument) => ({ name: argument, description: argument, required: true })),
      };
    });
  }

  override getPrompt(
    { name, arguments: args = {} }: Parameters<BesideTools['getPrompt']>[0],
    _caller: Caller,
  ) {
    const prompt = PROMPTS[name];
    if (prompt === undefined) throw new ProtocolProblem(INVALID_PARAMS, 'There is no such prompt.');
    const message = { role: 'user' as const, content: prompt.content(args) };
    return { description: name, messages: [message] } as unknown as ReturnType<BesideTools['getPrompt']>;
  }

  override async complete() {
    return { completion: { values: ['paris'], total: 1, hasMore: false } };
  }
}

class FixtureDispatcher extends Dispatcher {
  override readonly beside: BesideTools;

  constructor(options: DispatcherOptions) {
    super({ ...options, tools: fixtureTools(() => this.listChanges.refresh(true)) });
    this.beside = new FixtureBeside(this);
  }

  override async callTool(
    name: string,
    args: unknown,
    caller: Caller,
    options: CallOptions,
  ): Promise<ToolResult> {
    const result = await super.callTool(name, args, caller, options);
    const content = OTHER_CONTENT[name];
    return content === undefined ? result : { ...result, content: content as ToolResult['content'] };
  }
}

/**
 * What the suites expect of a server under test, behind our HTTP service: app, doors, sessions and dispatcher are those
 * of production; the tools, resources and prompts are the suites'.
 *
 * @returns the address of /mcp, on loopback without authentication
 */
export async function startFixture(): Promise<{ url: string; close(): Promise<void> }> {
  const estate = new ClusterManager({ clusters: [] }, { logger: SILENT });
  const service = await buildService({
    estate,
    auth: { mode: 'none' },
    dispatcher: (parts) => new FixtureDispatcher(parts),
    servers: fixtureServers(),
  });
  const url = await service.listen();
  return {
    url: `${url}/mcp`,
    close: async () => {
      await service.close();
      await estate.close();
    },
  };
}

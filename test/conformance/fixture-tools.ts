import { z } from 'zod';
import type { ToolResult } from '../../src/mcp/dispatcher.ts';
import { CallError } from '../../src/proxmox/errors.ts';
import { defineTool, READS, type Tool, type ToolContext } from '../../src/tools/define.ts';

/** A red pixel. */
export const IMAGE = {
  type: 'image',
  mimeType: 'image/png',
  data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==',
};
const AUDIO = {
  type: 'audio',
  mimeType: 'audio/wav',
  data: 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=',
};
const embedded = (uri: string) => ({
  type: 'resource',
  resource: { uri, mimeType: 'text/plain', text: 'The content of an embedded resource.' },
});

/** Content that no tool of ours gives; the doors have to carry it all the same. */
export const OTHER_CONTENT: Readonly<Record<string, unknown>> = {
  test_image_content: [IMAGE],
  test_audio_content: [AUDIO],
  test_embedded_resource: [embedded('test://embedded-resource')],
  test_multiple_content_types: [
    { type: 'text', text: 'Several contents:' },
    IMAGE,
    embedded('test://mixed-content-resource'),
  ],
} satisfies Record<string, readonly ({ type: string } | ToolResult['content'][number])[]>;

/** Tools whose answers are not given by the dispatcher: see fixture-servers.ts. */
const BY_SERVER = [
  'test_tool_with_logging',
  'test_sampling',
  'test_elicitation',
  'test_elicitation_sep1034_defaults',
  'test_elicitation_sep1330_enums',
  'test_missing_capability',
  'test_streaming_elicitation',
  'test_logging_tool',
  'test_input_required_result_elicitation',
  'test_input_required_result_sampling',
  'test_input_required_result_list_roots',
  'test_input_required_result_request_state',
  'test_input_required_result_multiple_inputs',
  'test_input_required_result_multi_round',
  'test_input_required_result_tampered_state',
  'test_input_required_result_capabilities',
];

const ANSWER = z.object({ answer: z.string() });

function tool(name: string, run: (context: ToolContext) => Promise<string>): Tool {
  return defineTool({
    name,
    title: name.replaceAll('_', ' '),
    description: `Answers as the conformance suites expect of ${name}.`,
    toolset: 'inventory',
    isAlwaysOn: true,
    annotations: READS,
    calls: [],
    input: z.object({ prompt: z.string().optional(), message: z.string().optional() }),
    output: ANSWER,
    run: async (_args, context) => ({ answer: await run(context) }),
    summary: ({ answer }) => answer,
  });
}

async function withProgress({ progress, sleep }: ToolContext): Promise<string> {
  for (const done of [0, 50, 100]) {
    progress({ progress: done, total: 100, message: `step ${done}` });
    await sleep(5);
  }
  return 'Done step by step.';
}

/** @param changed tells of another list of tools */
export function fixtureTools(changed: () => void): Tool[] {
  const plain = ['test_simple_text', ...Object.keys(OTHER_CONTENT), ...BY_SERVER];
  return [
    ...plain.map((name) => tool(name, async () => 'A simple text.')),
    tool('test_error_handling', async () => {
      throw new CallError('CONFLICT', 'This tool fails on purpose.', { hint: 'Nothing is to be done.' });
    }),
    tool('test_tool_with_progress', withProgress),
    tool('test_trigger_tool_change', async () => {
      changed();
      return 'The list is another one.';
    }),
  ];
}

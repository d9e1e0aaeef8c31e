import type { Command } from 'commander';
import { usageError } from './failure.ts';
import { examples, secondsOption } from './options.ts';

export interface CallOptions {
  arg: string[];
  args?: string;
  url?: string;
  token?: string;
  timeout: number;
  list?: boolean;
  json?: boolean;
}

export function addCall(program: Command): void {
  const command = program
    .command('call')
    .argument('[tool]', 'name of the tool')
    .description('Call one tool of a running service: the smoke test of a CI job, or a look from the shell.')
    .option('--arg <key=value>', 'an argument, read as JSON where it is JSON; repeat for more', collect, [])
    .option('--args <json>', 'all arguments as one JSON object')
    .option('--url <url>', 'the service (default: http://127.0.0.1:$MCP_PORT/mcp, port 8000)')
    .option(
      '--token <token>',
      'bearer token; better in MCP_TOKEN, where other users of the machine do not see it',
    )
    .option('--timeout <seconds>', 'give up after this long', secondsOption(3600), 60)
    .option('--list', 'list the tools')
    .option('--json', 'print the structured answer as one line of JSON')
    .action(async (tool: string | undefined, options: CallOptions) => {
      const { runCall } = await import('./call-run.ts');
      await runCall(tool, options);
    });
  examples(command, [
    'proxmox-mcp call --list',
    'proxmox-mcp call list_clusters --url http://127.0.0.1:8000/mcp',
    'proxmox-mcp call get_cluster_resources --arg cluster=production --arg type=qemu --arg limit=5',
    'proxmox-mcp call proxmox_api_call --args \'{"path":"/nodes","cluster":"production"}\' --json',
  ]);
  command.addHelpText('after', EXIT_CODES);
}

const EXIT_CODES = `
Exit codes: 0 the tool answered, 1 it answered with an error, 2 wrong usage, 3 no connection or token refused.`;

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

/**
 * Puts the arguments of a tool call together; `--arg` counts before `--args`.
 *
 * @throws CliError
 */
export function readArguments({ arg, args }: Pick<CallOptions, 'arg' | 'args'>): Record<string, unknown> {
  const base = args === undefined ? {} : parsed(args, undefined);
  if (typeof base !== 'object' || base === null || Array.isArray(base)) {
    throw usageError('--args must be a JSON object.', 'For example: --args \'{"cluster":"production"}\'');
  }
  return { ...base, ...Object.fromEntries(arg.map(readPair)) };
}

function readPair(pair: string): [name: string, value: unknown] {
  const at = pair.indexOf('=');
  if (at < 1) throw usageError(`--arg ${JSON.stringify(pair)} is not key=value.`);
  const text = pair.slice(at + 1);
  return [pair.slice(0, at), parsed(text, text)];
}

function parsed(text: string, otherwise: string | undefined): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** Reads the address of a service; without a path it is its `/mcp`. @throws CliError */
export function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw usageError(`--url ${JSON.stringify(text)} is no http or https address.`);
  }
  if (url.pathname === '/') url.pathname = '/mcp';
  return url;
}

import { Environment } from '../config/environment.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { readPort } from '../config/service.ts';
import { type ServiceAnswer, ServiceClient, ServiceError } from '../mcp/client.ts';
import type { Progress } from '../tools/define.ts';
import { type CallOptions, readArguments, readUrl } from './call.ts';
import { CliError, EXIT, usageError } from './failure.ts';
import { print, printAside, printJson, styled } from './output.ts';
import { showProgress } from './progress.ts';

/** Connects, calls one tool or lists them, prints, and sets the exit code. */
export async function runCall(tool: string | undefined, options: CallOptions): Promise<void> {
  if (tool === undefined && !options.list) {
    throw usageError('Which tool?', 'Name one, or see them with: proxmox-mcp call --list');
  }
  const args = readArguments(options);
  const { url, token } = readTarget(options);
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort(new CliError('Interrupted.', { exitCode: EXIT.interrupted })));
  try {
    const timeoutMs = options.timeout * 1000;
    const service = await ServiceClient.connect({ url, token, timeoutMs, signal: interrupt.signal });
    try {
      if (tool === undefined || options.list) await listTools(service, options);
      else printAnswer(await callTool(service, tool, args), options);
    } finally {
      await service.close();
    }
  } catch (error) {
    throw error instanceof ServiceError ? explained(error, url, token !== undefined) : error;
  }
}

/** The service and the token for it: from the options, else from the variables that the service reads too. */
function readTarget({ url, token }: CallOptions): { url: URL; token: string | undefined } {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(process.env, process.cwd(), problems);
  const target = {
    url: readUrl(url ?? `http://127.0.0.1:${readPort(environment)}/mcp`),
    token: token ?? environment.text('MCP_TOKEN'),
  };
  // A `.env` that is only for the user of the service is no problem of this call.
  const own = problems.filter(({ field }) => field !== undefined);
  if (own.length > 0) throw new ConfigError(own);
  return target;
}

async function listTools(service: ServiceClient, { json }: CallOptions): Promise<void> {
  const tools = await service.listTools();
  if (json) return printJson({ tools });
  for (const { name, title, description } of tools) {
    print(`${styled('bold', name)}  ${title}\n  ${description}`);
  }
}

async function callTool(
  service: ServiceClient,
  tool: string,
  args: Record<string, unknown>,
): Promise<ServiceAnswer> {
  using line = showProgress(`Calling ${tool}`);
  const onProgress = process.stderr.isTTY ? (update: Progress) => line.update(inWords(update)) : undefined;
  return await service.callTool({ tool, args, onProgress });
}

function inWords({ progress, total, message }: Progress): string {
  const share = total === undefined ? String(progress) : `${progress}/${total}`;
  return message === undefined ? share : `${share}  ${message}`;
}

function printAnswer(answer: ServiceAnswer, { json }: CallOptions): void {
  if (answer.isError) process.exitCode = EXIT.failed;
  const { structured, texts } = answer;
  const error = answer.isError ? errorOf(structured) : undefined;
  if (json) {
    printJson(structured ?? { texts });
    return;
  }
  if (error !== undefined) {
    printAside(`${styled('red', `${error.code}:`, process.stderr)} ${error.message}\n${error.hint}`);
    return;
  }
  // For clients without structured answers the service repeats them behind the sentence that says what was done.
  for (const text of structured === undefined ? texts : texts.slice(0, 1)) print(text);
  if (structured !== undefined) print(JSON.stringify(structured, null, process.stdout.isTTY ? 2 : 0));
}

function errorOf(structured: ServiceAnswer['structured']) {
  const { error } = (structured ?? {}) as { error?: { code?: unknown; message?: unknown; hint?: unknown } };
  if (typeof error !== 'object' || error === null) return undefined;
  return { code: String(error.code), message: String(error.message), hint: String(error.hint ?? '') };
}

function explained(error: ServiceError, url: URL, withToken: boolean): CliError {
  if (error.kind === 'bad-call') {
    return usageError(error.message, 'See the tools with: proxmox-mcp call --list');
  }
  const fix = fixOf(error, url, withToken);
  return new CliError(`${url.href}: ${error.message}`, { exitCode: EXIT.noService, fix, cause: error });
}

function fixOf({ kind, status, retryAfterSeconds }: ServiceError, url: URL, withToken: boolean): string {
  if (kind === 'unreachable')
    return 'Start the service (proxmox-mcp serve, or demo), or give its address with --url.';
  if (kind === 'lost')
    return 'The log of the service says why it ended. Look at the state before you repeat a write.';
  if (kind === 'timeout') return 'Give it longer with --timeout, or ask for less at once.';
  if (kind === 'no-mcp' || status === 404) return `The path is usually /mcp: ${new URL('/mcp', url).href}`;
  if (status === 401 || status === 403) {
    return withToken
      ? 'Give a valid token of this service: proxmox-mcp token --subject NAME --scope proxmox:read'
      : 'Give a token with --token or in MCP_TOKEN: proxmox-mcp token --subject NAME --scope proxmox:read';
  }
  if (status === 421)
    return 'Use a host name that the service knows, or add this one to its MCP_ALLOWED_HOSTS.';
  if (retryAfterSeconds !== undefined) return `Wait ${retryAfterSeconds} s, then repeat.`;
  return 'The log of the service says more.';
}

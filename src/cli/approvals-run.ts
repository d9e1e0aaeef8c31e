import { Environment } from '../config/environment.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { readPort } from '../config/service.ts';
import { visible } from '../proxmox/text.ts';
import { agree } from './agree.ts';
import type { ApproverOptions, DecideOptions } from './approvals.ts';
import { readUrl } from './call.ts';
import { CliError, EXIT, usageError } from './failure.ts';
import { print, printAside, printJson } from './output.ts';

type Json = Record<string, unknown>;

interface Target {
  /** `https://host/approvals`. */
  base: string;
  token: string;
}

const TIMEOUT_MS = 30_000;

export async function runList(options: ApproverOptions): Promise<void> {
  const { plans } = await ask(readTarget(options), 'GET', '');
  const rows = Array.isArray(plans) ? (plans as Json[]) : [];
  if (options.json) return printJson({ plans: rows, total: rows.length });
  if (rows.length === 0) return printAside('No plan waits for an approval.');
  for (const row of rows) print(printable(row.line));
}

export async function runShow(number: number, options: ApproverOptions): Promise<void> {
  const { plan } = await ask(readTarget(options), 'GET', `/${number}`);
  showPlan(plan as Json, options);
}

/** Shows the plan first, so that nobody approves a number unseen. */
export async function runApprove(number: number, options: DecideOptions): Promise<void> {
  const target = readTarget(options);
  const { plan } = await ask(target, 'GET', `/${number}`);
  const { text, state } = plan as Json;
  if (state !== 'pending') throw new CliError(`Plan ${number} is ${printable(state)} already.`);
  if (!options.json) print(printable(text));
  if (!options.yes) await agree(`Approve plan ${number}?`, {}, 'Nothing was approved.');
  await decide(target, number, 'approve', options);
}

export async function runDeny(number: number, options: DecideOptions): Promise<void> {
  await decide(readTarget(options), number, 'deny', options);
}

async function decide(
  target: Target,
  number: number,
  verb: 'approve' | 'deny',
  { reason, json }: DecideOptions,
): Promise<void> {
  const { plan } = await ask(target, 'POST', `/${number}/${verb}`, reason === undefined ? {} : { reason });
  const { state, expires_at } = plan as Json;
  if (json) return printJson({ number, state, expires_at });
  print(
    verb === 'approve'
      ? `Plan ${number} is approved. The same call goes through once, until ${printable(expires_at)}.`
      : `Plan ${number} is denied.`,
  );
}

function showPlan(plan: Json, { json }: ApproverOptions): void {
  if (json) printJson({ plan });
  else print(printable(plan.text));
}

/** The service, and the approver's token: not MCP_TOKEN, which is that of an assistant, and not out of a `.env`. */
function readTarget({ url, token }: ApproverOptions): Target {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(process.env, process.cwd(), problems);
  const address = readUrl(url ?? `http://127.0.0.1:${readPort(environment)}/mcp`);
  const own = problems.filter(({ field }) => field !== undefined);
  if (own.length > 0) throw new ConfigError(own);
  const shown = token ?? (process.env.MCP_APPROVER_TOKEN || undefined);
  if (shown === undefined) throw usageError("An approver's own token is needed.", OWN_TOKEN);
  const path = address.pathname.replace(/\/mcp(?:\/[^/]*)?\/?$/, '').replace(/\/$/, '');
  return { base: `${address.origin}${path}/approvals`, token: shown };
}

const OWN_TOKEN =
  'Set MCP_APPROVER_TOKEN in your shell to what this prints: proxmox-mcp token --subject YOU --scope proxmox:approve --lifetime 12h';

async function ask({ base, token }: Target, method: string, path: string, body?: Json): Promise<Json> {
  let response: Response;
  try {
    response = await fetch(`${base}${path}`, {
      method,
      // A redirect would carry the token to another place.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (cause) {
    throw new CliError(`${base}: the service can't be reached.`, {
      exitCode: EXIT.noService,
      fix: 'Start the service (proxmox-mcp serve), or give its address with --url.',
      cause,
    });
  }
  const answer: unknown = await response.json().catch(() => undefined);
  const fields = typeof answer === 'object' && answer !== null ? (answer as Json) : undefined;
  if (response.ok && fields !== undefined) return fields;
  throw refusal(response.status, fields ?? {}, base);
}

function refusal(status: number, { error, message, hint }: Json, base: string): CliError {
  const text = typeof message === 'string' ? printable(message) : 'without a reason';
  if (status === 401 || error === 'insufficient_scope') {
    return new CliError(text, { exitCode: EXIT.noService, fix: OWN_TOKEN });
  }
  const isOurs = typeof hint === 'string' && status !== 500;
  if (isOurs) return new CliError(text, { fix: printable(hint) });
  return new CliError(`${base} answered HTTP ${status}: ${text}`, {
    exitCode: EXIT.noService,
    fix: 'Give the address of the service with --url; its log says more.',
  });
}

/** A text of the service on a terminal: nothing in it moves the cursor or turns the reading direction. */
function printable(value: unknown): string {
  return visible(String(value));
}

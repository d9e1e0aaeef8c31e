import type { Command } from 'commander';
import { SCOPES } from '../access/principal.ts';
import type { AuthConfig } from '../config/config.ts';
import { didYouMean } from '../config/nearest.ts';
import { CliError, EXIT, usageError } from './failure.ts';
import { examples } from './options.ts';
import { print, printAside, printJson } from './output.ts';

interface TokenOptions {
  subject: string;
  scope: string;
  lifetime: string;
  json?: boolean;
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const LONGEST_SECONDS = 365 * SECONDS.d;

export function addToken(program: Command): void {
  const command = program
    .command('token')
    .description('Issue a bearer token, signed with MCP_JWT_SECRET of the environment or of .env.')
    .requiredOption('--subject <name>', 'whom the token is for; stands in the log of every call')
    .option('--scope <scopes>', `what it allows, separated by blanks: ${SCOPES.join(' ')}`, 'proxmox:read')
    .option('--lifetime <time>', 'how long it is valid, as 45m, 12h or 30d; at most 365d', '30d')
    .option('--json', 'print token, scope and expiry as one line of JSON')
    .action(token);
  examples(command, [
    'proxmox-mcp token --subject alice --scope proxmox:read',
    'proxmox-mcp token --subject ci --scope "proxmox:read proxmox:change" --lifetime 12h',
    'export MCP_TOKEN=$(proxmox-mcp token --subject alice --scope proxmox:admin)',
  ]);
}

async function token({ subject, scope, lifetime, json }: TokenOptions): Promise<void> {
  const scopes = readScopes(scope);
  const lifetimeSeconds = readLifetime(lifetime);
  if (subject.trim() === '') throw usageError('--subject must not be empty.');
  const [{ loadAuth }, { issueToken }] = await Promise.all([
    import('../config/load.ts'),
    import('../access/tokens.ts'),
  ]);
  const { secret, audience, issuer } = signing(loadAuth({ env: process.env, cwd: process.cwd() }));
  const issuedAt = Math.floor(Date.now() / 1000);
  const signed = await issueToken(secret, {
    subject,
    scope: scopes,
    lifetimeSeconds,
    audience,
    issuer,
    issuedAt,
  });
  const expires = new Date((issuedAt + lifetimeSeconds) * 1000).toISOString();
  if (json) return printJson({ token: signed, subject, scope: scopes, expires_at: expires });
  print(signed);
  printAside(`${scopes} for ${subject}, valid until ${expires}.`);
}

/**
 * Reads scopes separated by blanks or commas.
 *
 * @returns them as OAuth writes them, each once
 * @throws CliError that names the known ones
 */
export function readScopes(text: string): string {
  const names = [...new Set(text.split(/[\s,]+/).filter((name) => name !== ''))];
  if (names.length === 0) throw usageError('--scope must not be empty.', KNOWN_SCOPES);
  for (const name of names) {
    if (SCOPES.some((scope) => scope === name)) continue;
    throw usageError(`There is no scope ${JSON.stringify(name)}.${didYouMean(name, SCOPES)}`, KNOWN_SCOPES);
  }
  return names.join(' ');
}

const KNOWN_SCOPES = `The scopes are: ${SCOPES.join(', ')}. proxmox:admin holds all the others.`;

/**
 * Reads `90s`, `45m`, `12h` or `30d`.
 *
 * @returns seconds, from 1 to a year
 */
export function readLifetime(text: string): number {
  const [, digits, unit] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? [];
  const seconds = Number(digits) * (SECONDS[unit as keyof typeof SECONDS] ?? Number.NaN);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_SECONDS) return seconds;
  throw usageError(
    `--lifetime ${JSON.stringify(text)} can't be used.`,
    'Give 90s, 45m, 12h or 30d; at most 365d.',
  );
}

function signing(auth: AuthConfig): Extract<AuthConfig, { mode: 'shared-secret' }> {
  if (auth.mode === 'shared-secret') return auth;
  const reason =
    auth.mode === 'none'
      ? 'MCP_AUTH is none: the service asks for no token.'
      : 'MCP_JWKS_URL is set: tokens come from your authorization server, not from here.';
  throw new CliError(reason, {
    exitCode: EXIT.usage,
    fix: 'Set MCP_JWT_SECRET to issue tokens with this command.',
  });
}

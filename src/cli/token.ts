import { type Command, Option } from 'commander';
import { SCOPES } from '../access/principal.ts';
import { usageError } from './failure.ts';
import { examples } from './options.ts';

export interface IssueOptions {
  subject: string;
  scope: string;
  lifetime: string;
  alg?: 'EdDSA' | 'HS256';
  json?: boolean;
}

export interface ListOptions {
  subject?: string;
  json?: boolean;
}

export interface RevokeOptions {
  subject?: string;
  all?: boolean;
}

export interface RotateOptions {
  overlap: string;
  alg: 'EdDSA' | 'HS256';
}

export function addToken(program: Command): void {
  const command = program
    .command('token')
    .description(
      'Issue a bearer token, signed with MCP_JWT_SECRET or with a key of STATE_FILE or REDIS_URL; list and revoke what was issued.',
    )
    .option('--subject <name>', 'whom the token is for; stands in the log of every call (required)')
    .option('--scope <scopes>', `what it allows, separated by blanks: ${SCOPES.join(' ')}`, 'proxmox:read')
    .option('--lifetime <time>', 'how long it is valid, as 45m, 12h or 30d; at most 365d', '30d')
    .addOption(algorithm('how it is signed; EdDSA needs STATE_FILE or REDIS_URL'))
    .option('--json', 'print token, scope and expiry as one line of JSON')
    .action(async ({ subject, ...options }: Partial<IssueOptions> & Omit<IssueOptions, 'subject'>) => {
      if (subject === undefined) throw usageError("required option '--subject <name>' not specified");
      const { runIssue } = await import('./token-run.ts');
      await runIssue({ subject, ...options });
    });
  examples(command, [
    'proxmox-mcp token --subject alice --scope proxmox:read',
    'proxmox-mcp token --subject ci --scope "proxmox:read proxmox:change" --lifetime 12h',
    'export MCP_TOKEN=$(proxmox-mcp token --subject alice --scope proxmox:admin)',
    'proxmox-mcp token list                       # with STATE_FILE or REDIS_URL: what was issued?',
    'proxmox-mcp token revoke --subject alice     # at once, in open sessions too',
  ]);
  addList(command);
  addRevoke(command);
  addRotate(command);
}

function addList(parent: Command): void {
  const command = parent
    .command('list')
    .description('List the tokens that were issued here and the keys that sign them; never a token itself.')
    .option('--subject <name>', 'only those of one subject')
    .option('--json', 'print it as one line of JSON')
    .action(async (_options: ListOptions, own: Command) => {
      const { runList } = await import('./token-run.ts');
      await runList(optionsOf(own));
    });
  examples(command, ['proxmox-mcp token list', 'proxmox-mcp token list --subject alice --json']);
}

function addRevoke(parent: Command): void {
  const command = parent
    .command('revoke')
    .argument('[jti]', 'the token, as `token list` or the audit log names it')
    .description('Revoke a token, all credentials of a subject, or all there are; the service knows at once.')
    .option('--subject <name>', 'all tokens and API keys that this subject has now, whoever issued them')
    .option('--all', 'every token and API key that exists now, whoever issued it')
    .action(async (jti: string | undefined, _options: RevokeOptions, own: Command) => {
      const { runRevoke } = await import('./token-run.ts');
      await runRevoke(jti, optionsOf(own));
    });
  examples(command, [
    'proxmox-mcp token revoke 5f0c7a2e-8f1b-4d53-9b39-0d5d3f9f4c11',
    'proxmox-mcp token revoke --subject alice',
  ]);
}

function addRotate(parent: Command): void {
  const command = parent
    .command('rotate')
    .description('Sign with a new key from now on; tokens of the one before stay valid for an overlap.')
    .option('--overlap <time>', 'how long the key before still verifies; 0s ends its tokens now', '7d')
    .addOption(algorithm('what the new key signs with').default('EdDSA'))
    .action(async (_options: RotateOptions, own: Command) => {
      const { runRotate } = await import('./token-run.ts');
      await runRotate(optionsOf(own));
    });
  examples(command, ['proxmox-mcp token rotate', 'proxmox-mcp token rotate --overlap 0s']);
}

/** Commander gives an option that `token` has as well to `token`, wherever it stands: `token revoke --subject alice`. */
function optionsOf<T extends ListOptions | RevokeOptions | RotateOptions>(command: Command): T {
  return command.optsWithGlobals<T>();
}

function algorithm(description: string): Option {
  return new Option('--alg <algorithm>', description).choices(['EdDSA', 'HS256']);
}

import type { Command } from 'commander';
import { SCOPES } from '../access/principal.ts';
import { examples } from './options.ts';

export interface AddOptions {
  subject: string;
  scope: string;
  lifetime: string;
  json?: boolean;
}

export interface RotateOptions {
  lifetime: string;
  overlap: string;
  json?: boolean;
}

export function addKeys(program: Command): void {
  const command = program
    .command('keys')
    .description(
      'Make API keys for clients that can only send a fixed header; list, rotate and revoke them.',
    );
  examples(command, [
    'proxmox-mcp keys add --subject ci --scope proxmox:read --lifetime 90d',
    'proxmox-mcp keys list',
    'proxmox-mcp keys rotate 0f1e2d3c4b5a',
    'proxmox-mcp keys revoke 0f1e2d3c4b5a',
  ]);
  addAdd(command);
  addList(command);
  addRotate(command);
  addRevoke(command);
}

function addAdd(keys: Command): void {
  const command = keys
    .command('add')
    .description('Make a key and print it, this once: STATE_FILE, or REDIS_URL, keeps its hash alone.')
    .requiredOption('--subject <name>', 'whom the key is for; stands in the log of every call')
    .option('--scope <scopes>', `what it allows, separated by blanks: ${SCOPES.join(' ')}`, 'proxmox:read')
    .option('--lifetime <time>', 'how long it is valid, as 12h or 90d; at most 365d', '90d')
    .option('--json', 'print key, scope and expiry as one line of JSON')
    .action(async (options: AddOptions) => {
      const { runAdd } = await import('./keys-run.ts');
      await runAdd(options);
    });
  examples(command, [
    'proxmox-mcp keys add --subject ci --scope "proxmox:read proxmox:change" --lifetime 90d',
  ]);
}

function addList(keys: Command): void {
  const command = keys
    .command('list')
    .description('List the keys there are: whose, what they allow, until when, and whether they are revoked.')
    .option('--json', 'print it as one line of JSON')
    .action(async (options: { json?: boolean }) => {
      const { runList } = await import('./keys-run.ts');
      await runList(options);
    });
  examples(command, ['proxmox-mcp keys list', 'proxmox-mcp keys list --json']);
}

function addRotate(keys: Command): void {
  const command = keys
    .command('rotate')
    .argument('<id>', 'the key, as `keys list` names it')
    .description('Make a key with the same rights; the one before stays valid for an overlap.')
    .option('--lifetime <time>', 'how long the new one is valid; at most 365d', '90d')
    .option('--overlap <time>', 'how long the key before is still valid; 0s ends it now', '7d')
    .option('--json', 'print key, scope and expiry as one line of JSON')
    .action(async (id: string, options: RotateOptions) => {
      const { runRotate } = await import('./keys-run.ts');
      await runRotate(id, options);
    });
  examples(command, ['proxmox-mcp keys rotate 0f1e2d3c4b5a --overlap 2d']);
}

function addRevoke(keys: Command): void {
  const command = keys
    .command('revoke')
    .argument('<id>', 'the key, as `keys list` names it')
    .description('Refuse a key from now on; the service knows at once, and ends what it has opened.')
    .action(async (id: string) => {
      const { runRevoke } = await import('./keys-run.ts');
      await runRevoke(id);
    });
  examples(command, ['proxmox-mcp keys revoke 0f1e2d3c4b5a']);
}

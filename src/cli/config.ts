import { type Command, InvalidArgumentError, Option } from 'commander';
import type { SecretsMode } from '../config/migration.ts';
import { examples } from './options.ts';

export interface ShowOptions {
  json?: boolean;
}

export interface MigrateOptions {
  to: 'json' | 'env';
  output?: string;
  secrets: SecretsMode;
  force?: boolean;
}

export function addConfig(program: Command): void {
  const command = program
    .command('config')
    .description('Show the configuration as it counts, or move it between .env and clusters.json.');
  examples(command, ['proxmox-mcp config show', 'proxmox-mcp config help migrate']);
  addShow(command);
  addMigrate(command);
}

function addShow(parent: Command): void {
  const command = parent
    .command('show')
    .description('Print every value as it counts, with where it comes from and without any secret.')
    .option('--json', 'print it as one line of JSON')
    .action(async (options: ShowOptions) => {
      const { runShow } = await import('./config-show.ts');
      runShow(options);
    });
  examples(command, [
    'proxmox-mcp config show',
    'proxmox-mcp config show | grep verify_ssl       # who says so?',
    'proxmox-mcp config show --json | jq .selection',
  ]);
}

function addMigrate(parent: Command): void {
  const command = parent
    .command('migrate')
    .description(
      'Write the clusters of .env and the environment as clusters.json, or those of clusters.json as .env.',
    )
    .requiredOption('--to <form>', 'json: write clusters.json; env: write .env', formOption)
    .option('--output <file>', 'where to write; the usual place of this folder unless given')
    .addOption(
      new Option(
        '--secrets <where>',
        'keep: where they are, as far as the form allows; inline: in the file; ' +
          'env: in variables (--to json); file: each in a file of its own',
      )
        .choices(['keep', 'inline', 'env', 'file'])
        .default('keep'),
    )
    .option('--force', 'replace what is there')
    .action(async (options: MigrateOptions) => {
      const { runMigrate } = await import('./config-migrate.ts');
      runMigrate(options);
    });
  examples(command, [
    'proxmox-mcp config migrate --to json',
    'proxmox-mcp config migrate --to json --secrets file',
    'proxmox-mcp config migrate --to env --output /etc/proxmox-mcp/.env',
  ]);
  command.addHelpText(
    'after',
    '\nThe result is read back before anything is written: if it did not describe the same clusters, nothing is.',
  );
}

function formOption(text: string): 'json' | 'env' {
  if (text === 'json' || text === 'env') return text;
  throw new InvalidArgumentError('It must be json or env.');
}

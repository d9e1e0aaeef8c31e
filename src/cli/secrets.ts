import type { Command } from 'commander';
import { examples } from './options.ts';

/** Where the clusters and the key are. */
export interface SecretsOptions {
  file?: string;
  keyFile?: string;
}

export interface RotateOptions extends SecretsOptions {
  newKeyFile: string;
}

export interface OpenOptions extends SecretsOptions {
  yes?: boolean;
}

export interface StatusOptions {
  file?: string;
  json?: boolean;
  requireSealed?: boolean;
}

const FILE = [
  '--file <path>',
  'clusters.json to work on (default: CLUSTERS_FILE, or clusters.json)',
] as const;
const KEY = [
  '--key-file <path>',
  'file that holds the key (default: CLUSTERS_KEY or CLUSTERS_KEY_FILE)',
] as const;

export function addSecrets(program: Command): void {
  const command = program
    .command('secrets')
    .description('Seal the secrets of clusters.json with a key, so that the file alone gives none away.');
  examples(command, [
    'proxmox-mcp secrets key clusters.key         # make a key; keep it apart from clusters.json',
    'proxmox-mcp secrets seal                     # seal what is plain',
    'proxmox-mcp secrets status                   # what is sealed, what is not?',
    'proxmox-mcp secrets rotate                   # change the key',
    'proxmox-mcp secrets open                     # back to plain texts',
  ]);
  addKey(command);
  addSeal(command);
  addStatus(command);
  addRotate(command);
  addOpen(command);
}

function addKey(secrets: Command): void {
  const command = secrets
    .command('key')
    .argument('<file>', 'where to write it; must not be there yet')
    .description('Make a file with a fresh random key, readable by its owner alone.')
    .action(async (path: string) => {
      const { runKey } = await import('./secrets-run.ts');
      runKey(path);
    });
  examples(command, ['proxmox-mcp secrets key clusters.key']);
}

function addSeal(secrets: Command): void {
  const command = secrets
    .command('seal')
    .description('Seal every plain secret of clusters.json, in place; the rest of the file stays as it is.')
    .option(...FILE)
    .option(...KEY)
    .action(async (options: SecretsOptions) => {
      const { runSeal } = await import('./secrets-run.ts');
      runSeal(options);
    });
  examples(command, ['proxmox-mcp secrets seal --key-file clusters.key']);
}

function addStatus(secrets: Command): void {
  const command = secrets
    .command('status')
    .description('Say of every secret whether it is sealed, and with which key. Needs no key.')
    .option(...FILE)
    .option('--require-sealed', 'exit with 1 where a secret stands in the file as a plain text')
    .option('--json', 'print it as one line of JSON')
    .action(async (options: StatusOptions) => {
      const { runStatus } = await import('./secrets-status.ts');
      runStatus(options);
    });
  examples(command, ['proxmox-mcp secrets status', 'proxmox-mcp secrets status --require-sealed   # in CI']);
}

function addRotate(secrets: Command): void {
  const command = secrets
    .command('rotate')
    .description('Seal every sealed secret anew with another key: all of them or, where one can’t be, none.')
    .option(...FILE)
    .option(...KEY)
    .requiredOption('--new-key-file <path>', 'file that holds the key to change to')
    .action(async (options: RotateOptions) => {
      const { runRotate } = await import('./secrets-run.ts');
      runRotate(options);
    });
  examples(command, [
    'proxmox-mcp secrets key new.key',
    'proxmox-mcp secrets rotate --key-file clusters.key --new-key-file new.key',
  ]);
}

function addOpen(secrets: Command): void {
  const command = secrets
    .command('open')
    .description('Turn every sealed secret of clusters.json back into a plain text, in place. Prints none.')
    .option(...FILE)
    .option(...KEY)
    .option('-y, --yes', 'do not ask whether that is meant')
    .action(async (options: OpenOptions) => {
      const { runOpen } = await import('./secrets-run.ts');
      await runOpen(options);
    });
  examples(command, ['proxmox-mcp secrets open --key-file clusters.key --yes']);
}

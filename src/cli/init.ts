import type { Command } from 'commander';
import { examples } from './options.ts';

export interface InitOptions {
  dir: string;
  name?: string;
  url?: string;
  tokenId?: string;
  tokenSecretFile?: string;
  fingerprint?: string;
  caFile?: string;
  /** False for `--no-verify`. */
  verify: boolean;
  skipTest?: boolean;
  yes?: boolean;
  force?: boolean;
}

export function addInit(program: Command): void {
  const command = program
    .command('init')
    .description('Describe clusters: asks, tests the connection, then writes clusters.json and .env.')
    .option('--dir <folder>', 'where to write', '.')
    .option('--name <name>', 'name of the cluster')
    .option('--url <host:port>', 'address of one of its nodes')
    .option('--token-id <id>', 'API token, as user@realm!name')
    .option('--token-secret-file <path>', 'file that holds the secret of the token; - reads standard input')
    .option('--fingerprint <sha256>', 'pin the certificate')
    .option('--ca-file <path>', 'trust certificates of this CA (/etc/pve/pve-root-ca.pem of the cluster)')
    .option('--no-verify', 'accept any certificate: for a trial in a network you trust')
    .option('--skip-test', 'write without trying the connection')
    .option('-y, --yes', 'ask nothing: take everything from the options')
    .option('--force', 'replace a cluster of the same name')
    .action(async (options: InitOptions) => {
      const { runInit } = await import('./init-run.ts');
      await runInit(options);
    });
  examples(command, [
    'proxmox-mcp init',
    "proxmox-mcp init --yes --name production --url pve1.example.org:8006 --token-id 'mcp@pve!mcp' \\",
    '      --token-secret-file /run/secrets/pve --ca-file /etc/proxmox-mcp/pve-root-ca.pem',
  ]);
}

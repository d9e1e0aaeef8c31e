import type { Command } from 'commander';
import { examples } from './options.ts';

export interface CheckOptions {
  cluster?: string;
  json?: boolean;
}

export function addCheck(program: Command): void {
  const command = program
    .command('check')
    .description('Validate the configuration, reach every endpoint, and say what the credentials can’t do.')
    .option('--cluster <name>', 'only this cluster')
    .option('--json', 'print the findings as one line of JSON')
    .action(async (options: CheckOptions) => {
      const { runCheck } = await import('./check-run.ts');
      await runCheck(options);
    });
  examples(command, [
    'proxmox-mcp check',
    'proxmox-mcp check --cluster production',
    'proxmox-mcp check --json | jq .problems',
  ]);
  command.addHelpText(
    'after',
    '\nExit codes: 0 all is well, 1 something is to be fixed, 2 wrong usage or a configuration that can’t be used.',
  );
}

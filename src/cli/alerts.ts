import type { Command } from 'commander';
import { examples } from './options.ts';

export interface TestOptions {
  json?: boolean;
}

export function addAlerts(program: Command): void {
  const command = program
    .command('alerts')
    .description('Try where alerts go: ALERT_WEBHOOK_URL of the configuration.');
  examples(command, ['proxmox-mcp alerts test']);
  const test = command
    .command('test')
    .description('Send a test alert to the webhook, and say what came back.')
    .option('--json', 'print the outcome as one line of JSON')
    .action(async (options: TestOptions) => {
      const { runTest } = await import('./alerts-run.ts');
      await runTest(options);
    });
  examples(test, ['proxmox-mcp alerts test', 'proxmox-mcp alerts test --json']);
}

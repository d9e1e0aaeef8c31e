import type { Command } from 'commander';
import { examples } from './options.ts';

export function addStdio(program: Command): void {
  const command = program
    .command('stdio')
    .description('Serve one local client over standard input and output, with all rights and no token.')
    .action(async () => {
      const { runStdio } = await import('./stdio-run.ts');
      await runStdio();
    });
  examples(command, [
    'proxmox-mcp stdio',
    'claude mcp add proxmox -- proxmox-mcp stdio',
    'MCP_READ_ONLY=true proxmox-mcp stdio',
  ]);
}

import type { Command } from 'commander';
import { examples } from './options.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Run the service: Streamable HTTP at /mcp, HTTP+SSE at /sse.')
    .action(async () => {
      const { runServe } = await import('./serve-run.ts');
      await runServe();
    });
  examples(command, [
    'proxmox-mcp serve',
    'MCP_PORT=9000 LOG_LEVEL=debug proxmox-mcp serve',
    'MCP_HOST=0.0.0.0 MCP_PUBLIC_URL=https://mcp.example.org proxmox-mcp serve',
  ]);
}

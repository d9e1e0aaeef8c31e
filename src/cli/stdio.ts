import { finished } from 'node:stream';
import type { Command } from 'commander';
import { examples } from './options.ts';

export function addStdio(program: Command): void {
  const command = program
    .command('stdio')
    .description('Serve one local client over standard input and output, with all rights and no token.')
    .action(stdio);
  examples(command, [
    'proxmox-mcp stdio',
    'claude mcp add proxmox -- proxmox-mcp stdio',
    'MCP_READ_ONLY=true proxmox-mcp stdio',
  ]);
}

async function stdio(): Promise<void> {
  const [
    { loadConfig },
    { createLogger },
    { composeCore },
    { openStdioDoor },
    { LOCAL_PRINCIPAL },
    shutdown,
  ] = await Promise.all([
    import('../config/load.ts'),
    import('../observability/logging.ts'),
    import('./compose.ts'),
    import('../mcp/stdio.ts'),
    import('../access/principal.ts'),
    import('./shutdown.ts'),
  ]);
  const config = loadConfig({ env: process.env, cwd: process.cwd(), needsAuth: false });
  // Standard output is the protocol; the logger writes to standard error.
  const logger = createLogger(config.logLevel);
  for (const warning of config.warnings) logger.warn(warning);
  const { clusters, dispatcher } = composeCore(config, logger);
  const caller = { principal: LOCAL_PRINCIPAL, door: 'stdio' as const, directory: clusters };
  const door = openStdioDoor(dispatcher, caller, logger);
  const ending = shutdown.stopOnSignal(async () => {
    await door.close();
    await clusters.close();
  });
  // The client is gone when it closes its end (MCP, "stdio", shutdown).
  finished(process.stdin, { writable: false }, () => ending.close());
}

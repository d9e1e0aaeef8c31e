import type { Command } from 'commander';
import { examples } from './options.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Run the service: Streamable HTTP at /mcp, HTTP+SSE at /sse.')
    .action(serve);
  examples(command, [
    'proxmox-mcp serve',
    'MCP_PORT=9000 LOG_LEVEL=debug proxmox-mcp serve',
    'MCP_HOST=0.0.0.0 MCP_PUBLIC_URL=https://mcp.example.org proxmox-mcp serve',
  ]);
}

async function serve(): Promise<void> {
  const [{ loadConfig }, { createLogger }, { logClusterHealth, startService }, { stopOnSignal }] =
    await Promise.all([
      import('../config/load.ts'),
      import('../observability/logging.ts'),
      import('./service.ts'),
      import('./shutdown.ts'),
    ]);
  const config = loadConfig({ env: process.env, cwd: process.cwd() });
  const logger = createLogger(config.logLevel);
  for (const warning of config.warnings) logger.warn(warning);
  const service = await startService(config, logger);
  stopOnSignal(async () => {
    logger.info('stopping: calls in flight may end');
    await service.stop();
    logger.info('stopped');
  });
  logger.info({ mcp: `${service.url}/mcp`, sse: `${service.url}/sse`, auth: config.auth.mode }, 'listening');
  await logClusterHealth(service.core, logger);
}

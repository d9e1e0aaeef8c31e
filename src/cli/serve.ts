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
  const [
    { loadConfig },
    { createLogger },
    { redactionOf },
    { startService },
    { Reloading },
    { stopOnSignal },
  ] = await Promise.all([
    import('../config/load.ts'),
    import('../observability/logging.ts'),
    import('./compose.ts'),
    import('./service.ts'),
    import('./reload.ts'),
    import('./shutdown.ts'),
  ]);
  const source = { env: process.env, cwd: process.cwd() };
  const config = loadConfig(source);
  let { logLevel } = config;
  const redaction = redactionOf(config);
  const logger = createLogger(() => logLevel, redaction);
  for (const warning of config.warnings) logger.warn(warning);
  const service = await startService(config, logger, redaction);
  const bus = service.core.replicas?.bus;
  const reloading = new Reloading({
    source,
    config,
    core: service.core,
    logger,
    onApplied: (next) => {
      logLevel = next.logLevel;
      service.renewCertificate(next);
    },
    onHangUp: () => ending.close(),
    tellOthers: () => void bus?.tell('reload'),
  });
  bus?.on('reload', () => reloading.reload());
  const stop = async () => {
    logger.info('stopping: calls in flight may end');
    await reloading.close();
    await service.stop();
    logger.info('stopped');
  };
  const ending = stopOnSignal(stop, ['SIGHUP'], redaction);
  logger.info({ mcp: `${service.url}/mcp`, sse: `${service.url}/sse`, auth: config.auth.mode }, 'listening');
  await service.validated;
}

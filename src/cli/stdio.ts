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
    { composeCore, redactionOf },
    { openStdioDoor },
    { LOCAL_PRINCIPAL },
    { Reloading },
    { openAudit },
    { openReplicas },
    shutdown,
  ] = await Promise.all([
    import('../config/load.ts'),
    import('../observability/logging.ts'),
    import('./compose.ts'),
    import('../mcp/stdio.ts'),
    import('../access/principal.ts'),
    import('./reload.ts'),
    import('./audit-record.ts'),
    import('./replicas.ts'),
    import('./shutdown.ts'),
  ]);
  const source = { env: process.env, cwd: process.cwd(), needsAuth: false };
  const config = loadConfig(source);
  let { logLevel } = config;
  // Standard output is the protocol; the logger writes to standard error.
  const redaction = redactionOf(config);
  const logger = createLogger(() => logLevel, redaction);
  for (const warning of config.warnings) logger.warn(warning);
  const audit = await openAudit(config.audit, logger);
  const replicas = await openReplicas(config, logger);
  const core = await composeCore(config, { logger, redaction, audit, replicas });
  const { clusters, dispatcher, jobs, scheduler, alerting } = core;
  jobs.follow();
  scheduler.start();
  // A process for each client: the webhook is for the service.
  await alerting.start(false);
  const caller = { principal: LOCAL_PRINCIPAL, door: 'stdio' as const, directory: clusters };
  const door = openStdioDoor(dispatcher, caller, logger);
  const reloading = new Reloading({
    source,
    config,
    core,
    logger,
    onApplied: (next) => {
      logLevel = next.logLevel;
    },
    onHangUp: () => ending.close(),
  });
  const ending = shutdown.stopOnSignal(async () => {
    await reloading.close();
    await scheduler.close();
    await door.close();
    await core.close();
  }, ['SIGHUP']);
  // The client is gone when it closes its end (MCP, "stdio", shutdown).
  finished(process.stdin, { writable: false }, () => ending.close());
}

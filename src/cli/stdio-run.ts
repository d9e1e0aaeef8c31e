import { finished } from 'node:stream';
import { LOCAL_PRINCIPAL } from '../access/principal.ts';
import { loadConfig } from '../config/load.ts';
import { openStdioDoor } from '../mcp/stdio.ts';
import { createLogger } from '../observability/logging.ts';
import { openAudit } from './audit-record.ts';
import { composeCore, redactionOf } from './compose.ts';
import { Reloading } from './reload.ts';
import { openReplicas } from './replicas.ts';
import { stopOnSignal } from './shutdown.ts';

/** Serves the client at standard input and output until it closes its end or a signal comes. */
export async function runStdio(): Promise<void> {
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
  const ending = stopOnSignal(async () => {
    await reloading.close();
    await scheduler.close();
    await door.close();
    await core.close();
  }, ['SIGHUP']);
  // The client is gone when it closes its end (MCP, "stdio", shutdown).
  finished(process.stdin, { writable: false }, () => ending.close());
}

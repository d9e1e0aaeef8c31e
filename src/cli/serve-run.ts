import { loadConfig } from '../config/load.ts';
import { createLogger } from '../observability/logging.ts';
import { redactionOf } from './compose.ts';
import { Reloading } from './reload.ts';
import { startService } from './service.ts';
import { stopOnSignal } from './shutdown.ts';

/** Runs the service until a signal comes. */
export async function runServe(): Promise<void> {
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

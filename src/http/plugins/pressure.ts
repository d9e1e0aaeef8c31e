import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import type { AppParts } from '../parts.ts';
import { refusalBody } from '../refusal-body.ts';

/** As long as it takes to see whether it is over. */
const RETRY_SECONDS = 5;
/** Samples from the start that do not count: what blocks then is the start itself, and is over with it. */
const FIRST_SAMPLES = 5;

/**
 * Turns requests away (503 with Retry-After) while the event loop is blocked: what is accepted then would be answered
 * long after its client has given up, and make those behind it wait, too. What load balancers ask is answered, as the
 * process lives.
 */
export async function pressure(
  app: FastifyInstance,
  { pressure: limits, logger }: Pick<AppParts, 'pressure' | 'logger'>,
): Promise<void> {
  if (limits === undefined) return;
  await app.register(underPressure, {
    maxEventLoopDelay: limits.delayMs,
    sampleInterval: limits.sampleMs,
    // Its own answer knows neither JSON-RPC nor who is let through; the hook below gives ours.
    pressureHandler: () => undefined,
  });
  let countsFrom = Number.POSITIVE_INFINITY;
  app.addHook('onReady', async () => {
    countsFrom = performance.now() + FIRST_SAMPLES * limits.sampleMs;
  });
  let saidAt = Number.NEGATIVE_INFINITY;
  app.addHook('onRequest', (request, reply, done) => {
    if (!app.isUnderPressure() || request.routeOptions.config.unlimited) return done();
    if (performance.now() < countsFrom) return done();
    // Once for all that come in such a time: writing the log is work, too.
    if (performance.now() - saidAt > limits.sampleMs) {
      logger.warn(
        { delay_ms: Math.round(app.memoryUsage().eventLoopDelay) },
        'event loop blocked: requests are turned away',
      );
      saidAt = performance.now();
    }
    const message = `The service is overloaded. Try again in ${RETRY_SECONDS} s.`;
    reply
      .code(503)
      .header('retry-after', String(RETRY_SECONDS))
      .send(refusalBody(request, message, { error: 'overloaded', retryAfterSeconds: RETRY_SECONDS }));
  });
}

import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { TracingConfig } from '../config/config.ts';
import type { ReadMetrics } from '../http/routes/metrics.ts';
import { IDENTITY } from '../mcp/identity.ts';
import type { SseDoor } from '../mcp/sse.ts';
import type { StreamableHttpDoor } from '../mcp/streamable-http.ts';
import type { Exposition } from '../observability/exposition.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ServiceState } from '../observability/service-state.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { Core } from './compose.ts';

/** Begins to trace, where that is on: OpenTelemetry is loaded for it alone. */
export async function tracingOf(
  config: TracingConfig | undefined,
  logger: Logger,
): Promise<Tracing | undefined> {
  if (config === undefined) return undefined;
  const { openTracing } = await import('../observability/open-telemetry.ts');
  const { url, headers = {}, serviceName, sampler } = config;
  return openTracing({
    url,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()])),
    serviceName,
    serviceVersion: IDENTITY.version,
    instance: randomUUID(),
    sampler,
    logger,
  });
}

/** Gives what Prometheus reads. What makes the text of it is loaded by the first who asks, and not at the start. */
export function metricsReader(metrics: Metrics, state: ServiceState): ReadMetrics {
  let exposition: Promise<Exposition> | undefined;
  return async () => {
    exposition ??= import('../observability/exposition.ts').then(({ createExposition }) =>
      createExposition(metrics, state),
    );
    const { contentType, text } = await exposition;
    return { contentType, text: await text() };
  };
}

/** What of the service is read when somebody asks. */
export function serviceState(
  { clusters, dispatcher, jobs, approvals, alerting, audit, replicas }: Core,
  {
    streamable,
    sse,
    streams,
  }: { streamable: StreamableHttpDoor; sse: SseDoor; streams: ServiceState['streams'] },
): ServiceState {
  return {
    version: IDENTITY.version,
    clusters: () => clusters.states(),
    sessions: () => ({ 'streamable-http': streamable.sessionCount, sse: sse.sessionCount }),
    streams,
    callsRunning: () => dispatcher.callsRunning,
    jobsRunning: () => jobs.running(),
    plans: () => approvals.counts(),
    alerts: () =>
      alerting.board.active().map(({ kind, severity, cluster = '' }) => ({ kind, severity, cluster })),
    isRedisUp: replicas && (() => replicas.redis.isUp()),
    audit: audit && (() => ({ isHealthy: audit.healthy().ok, lines: audit.head().seq })),
  };
}

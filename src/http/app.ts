import type { ServerOptions } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import cors from '@fastify/cors';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { HttpConfig } from '../config/config.ts';
import type { Observer } from '../observability/observer.ts';
import { jsonBodies } from './json-bodies.ts';
import { openResponses } from './open-responses.ts';
import type { AppParts, Ending, Timeouts } from './parts.ts';
import { allowlist } from './plugins/allowlist.ts';
import { bearer } from './plugins/bearer.ts';
import { errors } from './plugins/errors.ts';
import { type Forwards, forwarding } from './plugins/forwarding.ts';
import { hops } from './plugins/hops.ts';
import { createLimits } from './plugins/limits.ts';
import { pressure } from './plugins/pressure.ts';
import { requestIdOf, requestIds } from './plugins/request-ids.ts';
import { securityHeaders } from './plugins/security-headers.ts';
import { checkToolsets } from './plugins/toolsets.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { healthRoutes } from './routes/health.ts';
import { mcpRoutes } from './routes/mcp.ts';
import { metadataRoutes } from './routes/metadata.ts';
import { metricsRoute } from './routes/metrics.ts';
import { sseRoutes } from './routes/sse.ts';
import { secureContext } from './tls.ts';

/** Largest body in bytes; the SDKs' own bound is the same. */
const BODY_LIMIT = 4 * 1024 * 1024;
/** Node looks at the slow ones every 30 s where it is not told otherwise, which would double the time they have. */
const TIMEOUTS: Timeouts = { requestMs: 30_000, headersMs: 15_000, checkMs: 5_000 };
/** A socket on which nothing moves: longer than the longest call, which may be silent until it ends. */
const CONNECTION_TIMEOUT_MS = 16 * 60_000;
/** Longer than the idle time-outs of the usual proxies, so that they and not we close a reused connection. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** How long calls in flight may take to end once the process has been told to stop. */
const DRAIN_MS = 10_000;
const ENDING: Ending = { flushMs: 100, lingerMs: 500 };

/** Builds the service without listening, so that a test can `inject`. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { http, logger } = parts;
  const timeouts = { ...TIMEOUTS, ...parts.timeouts };
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestIdOf,
    bodyLimit: BODY_LIMIT,
    trustProxy: http.trustedProxies.length > 0 && http.trustedProxies,
    requestTimeout: timeouts.requestMs,
    ...serverOptions(http, {
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: timeouts.checkMs,
    }),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    routerOptions: { ignoreTrailingSlash: true },
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // A stream would hold the drain for ever; the doors close theirs in `preClose`.
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    // Fastify's bound on a hook: the drain has its own, shorter one.
    pluginTimeout: 2 * DRAIN_MS,
  });
  errors(app);
  jsonBodies(app);
  requestIds(app);
  countAnswers(app, parts.observer);
  allowlist(app, http);
  securityHeaders(app);
  await app.register(cors, {
    origin: http.allowedOrigins.length === 0 ? false : http.allowedOrigins,
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: [
      'authorization',
      'x-api-key',
      'content-type',
      'mcp-session-id',
      'mcp-protocol-version',
      'mcp-method',
      'mcp-name',
      'x-mcp-readonly',
      'x-mcp-toolsets',
      'last-event-id',
      'x-request-id',
      'traceparent',
      'tracestate',
    ],
    exposedHeaders: [
      'x-request-id',
      'mcp-session-id',
      'www-authenticate',
      'retry-after',
      'ratelimit-limit',
      'ratelimit-remaining',
      'ratelimit-reset',
    ],
    maxAge: 600,
  });
  await pressure(app, parts);
  hops(app, parts.replicas);
  // Behind CORS, so that a web page can read the refusal too.
  const limits = await createLimits(app, parts);
  app.addHook('onRequest', limits.address);
  bearer(app, parts, limits.failedLogin);
  app.addHook('onRequest', limits.principal);
  checkToolsets(app);
  // Behind every check, and before the body is read.
  const forwards = forwarding(app, parts);
  app.addHook('preHandler', limits.messages);
  const responses = openResponses(app, parts);
  parts.onStreams?.(() => responses.streams());
  healthRoutes(app, parts);
  metadataRoutes(app, parts);
  if (parts.readMetrics)
    metricsRoute(app, { access: http.metrics, read: parts.readMetrics, failedLogin: limits.failedLogin });
  if (parts.approvals)
    approvalRoutes(app, { approvals: parts.approvals, http, onDecision: parts.onDecision });
  mcpRoutes(app, parts);
  sseRoutes(app, parts);
  drain(app, parts, forwards);
  return app;
}

/** No route has a schema of Fastify: what would compile one (Ajv among it) is not loaded. */
function noSchemas(): never {
  throw new Error('Routes check what they get themselves: this app compiles no schema of Fastify.');
}

/** Where somebody counts: to hear of the end of each answer costs a little. */
function countAnswers(app: FastifyInstance, observer: Observer | undefined): void {
  if (observer === undefined) return;
  app.addHook('onResponse', (request, reply, done) => {
    observer.requestAnswered(request.routeOptions.url, reply.raw.statusCode);
    done();
  });
}

/**
 * What the server is made with, of TLS where there is a certificate. To Fastify's types an app over TLS is another class
 * than one without; Node's two servers have all in common that is used here.
 */
function serverOptions({ tls }: HttpConfig, own: ServerOptions): { http: ServerOptions } {
  if (tls === undefined) return { http: own };
  const secure = { ...own, ...secureContext(tls) };
  return { https: secure } as unknown as { http: ServerOptions };
}

/** Lets the calls in flight end, then ends the streams, then the connections. */
function drain(
  app: FastifyInstance,
  { dispatcher, streamable, sse, ending = ENDING }: AppParts,
  forwards: Forwards,
): void {
  app.addHook('preClose', async () => {
    await Promise.all([dispatcher.settled(DRAIN_MS), forwards.settled(DRAIN_MS)]);
    await sleep(ending.flushMs);
    forwards.close();
    await Promise.allSettled([streamable.close(), sse.close()]);
    // What is left by now is keep-alive connections, and ones that were opened and never used: Node counts those as
    // busy, so closing the idle ones would not end them.
    const end = setTimeout(() => app.server.closeAllConnections(), ending.lingerMs);
    app.server.once('close', () => clearTimeout(end));
  });
}

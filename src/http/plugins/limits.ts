import { isIP } from 'node:net';
import rateLimit, { normalizeIP, type RateLimitOptions } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasExpired } from '../../access/tokens.ts';
import { MOST_MESSAGES } from '../../mcp/messages.ts';
import { UNOBSERVED } from '../../observability/observer.ts';
import { KnownCredentials } from '../known-credentials.ts';
import type { AppParts } from '../parts.ts';
import { sharedRateStore } from '../rate-store.ts';
import { refusalBody } from '../refusal-body.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Not counted: what a load balancer asks every few seconds, answered from what is known already. */
    unlimited?: boolean;
  }
}

const WINDOW_MS = 60_000;
/** Keys that a limit remembers; beyond them it forgets the one that was seen longest ago. */
const MOST_KEYS = 10_000;

/** How far a limit is used up after a request was counted. */
interface Usage {
  max: number;
  remaining: number;
  /** Until the counting begins anew. */
  seconds: number;
  isExceeded: boolean;
  /** The first request beyond the limit: what the log says once a minute, it does not say a thousand times. */
  isFirst: boolean;
}

/** What a limit is called in the log, and in the metrics. */
const LIMIT_LABELS = {
  address: 'address',
  principal: 'principal',
  'failed logins': 'failed_logins',
} as const;

type Count = (request: FastifyRequest) => Promise<Usage | undefined>;
type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>;
/** Where nothing is counted no promise is made: each costs a turn. */
type QuickHook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void;
type Answer = (reply: FastifyReply) => FastifyReply;
/** Counts a refused credential. @returns the answer to send in place of the refusal, where there were too many */
export type FailedLogin = (request: FastifyRequest, error?: unknown) => Promise<Answer | undefined>;

/** The limits as hooks, in the order of DESIGN.md: `address`, then the check of the token, `principal`, `messages`. */
export interface Limits {
  address: QuickHook;
  failedLogin: FailedLogin;
  principal: Hook;
  /** A batch is as many requests as it has messages. */
  messages: QuickHook;
}

/**
 * How many requests a minute are served. Whose credential was good the last time is counted for its principal alone,
 * so that neither a large team behind one address nor a stranger beside it uses up what the others need. Once a
 * principal is over its limit, its credential is a stranger's again: the check of a token costs too.
 */
export async function createLimits(
  app: FastifyInstance,
  {
    http,
    logger,
    quickRedis,
    observer = UNOBSERVED,
  }: Pick<AppParts, 'http' | 'logger' | 'quickRedis' | 'observer'>,
): Promise<Limits> {
  await app.register(rateLimit, { global: false, store: sharedRateStore(quickRedis, MOST_KEYS) });
  const known = new KnownCredentials();
  const ofAddress = counter(app, 'address', http.limits.perAddress, addressOf);
  const ofFailures = counter(app, 'logins', http.limits.failedLogins, addressOf);
  const ofPrincipal = counter(
    app,
    'principal',
    http.limits.perPrincipal,
    ({ principal }) => principal?.id ?? '',
  );

  function report(usage: Usage, limit: keyof typeof LIMIT_LABELS, request: FastifyRequest): void {
    observer.limitExceeded(LIMIT_LABELS[limit]);
    if (!usage.isFirst) return;
    const { principal, id } = request;
    const address = clientOf(request);
    const about = { request_id: id, limit, most: usage.max, address, subject: principal?.subject };
    logger.warn(about, 'rate limit exceeded');
  }

  /** Undefined where the request may go on. */
  function judge(usage: Usage, request: FastifyRequest, reply: FastifyReply, limit: 'address' | 'principal') {
    reply.headers(rateHeaders(usage));
    if (!usage.isExceeded) return undefined;
    report(usage, limit, request);
    const whose = limit === 'address' ? 'from this address' : 'of this principal';
    return refuse(request, reply, usage, `Too many requests ${whose}: ${usage.max} a minute are served.`);
  }

  /** The first one was counted with the request; what is longer than a batch may be, the door refuses unread. */
  async function countBatch(request: FastifyRequest, length: number): Promise<Usage | undefined> {
    let usage: Usage | undefined;
    for (let counted = 1; counted < Math.min(length, MOST_MESSAGES); counted++) {
      usage = await ofPrincipal(request);
    }
    return usage;
  }

  return {
    address(request, reply, done) {
      const { unlimited, open } = request.routeOptions.config;
      // What another replica sent on was counted there.
      if (unlimited || request.hop) return done();
      // What asks for no token counts for no principal, whatever it shows.
      const isChecked = !open && request.method !== 'OPTIONS';
      if (isChecked && known.has(request)) return done();
      ofAddress(request).then((usage) => {
        if (!(usage && judge(usage, request, reply, 'address'))) done();
      }, done);
    },

    async failedLogin(request, error) {
      known.forget(request);
      // Its signature was right, so nobody guesses; and its client renews it only when it is told so with a 401.
      if (hasExpired(error)) return undefined;
      const usage = await ofFailures(request);
      if (!usage?.isExceeded) return undefined;
      report(usage, 'failed logins', request);
      return (reply) => refuse(request, reply, usage, 'Too many failed logins from this address.');
    },

    async principal(request, reply) {
      if (!request.principal || request.hop) return undefined;
      const usage = await ofPrincipal(request);
      // Without a limit of its principal, that of the address is what is left.
      if (!usage) return undefined;
      known[usage.isExceeded ? 'forget' : 'add'](request);
      return judge(usage, request, reply, 'principal');
    },

    messages(request, reply, done) {
      const { principal, body } = request;
      if (!principal || !Array.isArray(body)) return done();
      countBatch(request, body.length).then((usage) => {
        if (!(usage && judge(usage, request, reply, 'principal'))) done();
      }, done);
    },
  };
}

/** @param most a minute; 0 counts nothing */
function counter(
  app: FastifyInstance,
  groupId: string,
  most: number,
  keyGenerator: (request: FastifyRequest) => string,
): Count {
  if (most === 0) return async () => undefined;
  const options: RateLimitOptions = {
    max: most,
    timeWindow: WINDOW_MS,
    cache: MOST_KEYS,
    groupId,
    keyGenerator,
    // Tells the second request beyond the limit from the first.
    ban: 1,
  };
  const count = app.createRateLimit(options);
  return async (request) => {
    const counted = await count(request);
    if (counted.isAllowed) return undefined;
    const { max, remaining, ttlInSeconds, isExceeded, isBanned } = counted;
    return {
      max,
      remaining,
      seconds: Math.max(1, ttlInSeconds),
      isExceeded,
      isFirst: isExceeded && !isBanned,
    };
  };
}

/** The client's address; of IPv6 the /64, which is what one customer has at least. */
function addressOf(request: FastifyRequest): string {
  const address = clientOf(request);
  // A trusted proxy may pass on what is no address: it then counts as its own.
  return isIP(address) === 0 ? (request.socket.remoteAddress ?? '') : normalizeIP(address);
}

/** Not the replica that the request came through. */
function clientOf({ hop, ip }: FastifyRequest): string {
  return hop?.address ?? ip;
}

function rateHeaders({ max, remaining, seconds }: Usage) {
  return { 'ratelimit-limit': max, 'ratelimit-remaining': remaining, 'ratelimit-reset': seconds };
}

function refuse(request: FastifyRequest, reply: FastifyReply, usage: Usage, problem: string): FastifyReply {
  const { seconds } = usage;
  const message = `${problem} Try again in ${seconds} s.`;
  return reply
    .headers(rateHeaders(usage))
    .code(429)
    .header('retry-after', String(seconds))
    .send(refusalBody(request, message, { error: 'rate_limited', retryAfterSeconds: seconds }));
}

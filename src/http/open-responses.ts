import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Principal } from '../access/principal.ts';
import { isListen } from '../mcp/subscriptions.ts';
import { Slab } from '../proxmox/slab.ts';
import type { AppParts } from './parts.ts';

const EXPIRY_POLL_MS = 1000;

/** What is open now. */
export interface OpenResponses {
  /** Streams on which the service speaks first, by door. */
  streams(): Readonly<Record<string, number>>;
}

/**
 * Ends what a credential has opened once it no longer counts. Every request is checked when it comes; a stream may
 * stay open for days after that. A credential that was revoked loses everything, calls under way included, and its
 * sessions; one that has expired loses its streams alone, because its calls were begun in time, and because clients
 * that renew their tokens go on with their session.
 */
export function openResponses(
  app: FastifyInstance,
  { revocations, sharedKeys, dispatcher, streamable, sse, logger }: AppParts,
): OpenResponses {
  const open = new Slab<{ request: FastifyRequest; response: { destroy(): unknown } }>();

  app.addHook('preHandler', (request, reply, done) => {
    if (!request.principal) return done();
    const place = open.add({ request, response: reply.raw });
    reply.raw.once('close', () => open.remove(place));
    // It may have been revoked while the body came in; from here on `onChange` finds it.
    if (!isRevokedSince(request.principal)) return done();
    reply.code(401).send({ error: 'invalid_token', message: 'The token was refused: it was revoked.' });
  });

  function isRevoked(principal: Principal): boolean {
    return isOver(principal, () => revocations.isRevoked(principal));
  }

  /** For one that was verified when its request began. */
  function isRevokedSince(principal: Principal): boolean {
    return isOver(principal, () => revocations.isRevokedSince(principal));
  }

  function isOver(principal: Principal, isRevokedNow: () => boolean): boolean {
    try {
      return sharedKeys?.isRetired(principal) || isRevokedNow();
    } catch (error) {
      logger.error({ err: error }, 'revocations can not be read: what is open is ended');
      return true;
    }
  }

  function end(which: (request: FastifyRequest, principal: Principal) => boolean): void {
    for (const { request, response } of open) {
      if (request.principal && which(request, request.principal)) response.destroy();
    }
  }

  const endRevoked = () => {
    end((_request, principal) => isRevoked(principal));
    dispatcher.cancelWhere(isRevoked);
    for (const door of [streamable, sse]) door.closeWhere(isRevoked);
  };
  const stopListening = [revocations.onChange(endRevoked), sharedKeys?.onChange(endRevoked)];
  const timer = setInterval(() => {
    const now = Date.now() / 1000;
    end((request, { expiresAt }) => expiresAt !== undefined && expiresAt <= now && isStream(request));
  }, EXPIRY_POLL_MS);
  timer.unref();
  app.addHook('onClose', async () => {
    clearInterval(timer);
    for (const stop of stopListening) stop?.();
  });
  return {
    streams() {
      const counts = { 'streamable-http': 0, stateless: 0, sse: 0 };
      for (const { request } of open) {
        if (!isStream(request)) continue;
        if (request.method === 'POST') counts.stateless++;
        else counts[request.routeOptions.url === '/sse' ? 'sse' : 'streamable-http']++;
      }
      return counts;
    },
  };
}

function isStream({ method, body }: FastifyRequest): boolean {
  return method === 'GET' || isListen(body);
}

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { MetricsConfig } from '../../config/config.ts';
import type { Secret } from '../../config/secret.ts';
import type { FailedLogin } from '../plugins/limits.ts';
import { shownCredential } from '../plugins/shown-credential.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether a Host is answered that MCP_ALLOWED_HOSTS does not name. */
    takesHost?: (host: string) => boolean;
  }
}

/** The text that Prometheus reads. */
export type ReadMetrics = () => Promise<{ contentType: string; text: string }>;

export interface MetricsRouteOptions {
  /** Absent where nothing is served. */
  access: MetricsConfig | undefined;
  read: ReadMetrics;
  failedLogin: FailedLogin;
}

/**
 * `/metrics`, where the operator wants it. With a token, any Host is answered: Prometheus asks pods by their address,
 * and a page that a DNS trick leads here has no token. Without one, a Host that is an address is answered, too, as
 * such a trick needs a name.
 */
export function metricsRoute(app: FastifyInstance, { access, read, failedLogin }: MetricsRouteOptions): void {
  if (access === undefined) return;
  const { token } = access;
  const takesHost = token === undefined ? isAddress : () => true;
  // Who shows the token is answered under pressure, too: that is when somebody looks.
  const config = { open: true, unlimited: token !== undefined, takesHost };
  app.get('/metrics', { config }, async (request, reply) => {
    reply.header('cache-control', 'no-store');
    if (token !== undefined && !shows(request, token)) return refuse(request, reply);
    const { contentType, text } = await read();
    return reply.header('content-type', contentType).send(text);
  });

  async function refuse(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const tooMany = await failedLogin(request);
    if (tooMany) return tooMany(reply);
    return reply.code(401).header('www-authenticate', 'Bearer').send({
      error: 'unauthorized',
      message:
        'Send Authorization: Bearer with the token of MCP_METRICS_TOKEN; no other credential is taken here.',
    });
  }
}

/** Compares digests: they are of one length, so that the time tells nothing. */
function shows(request: FastifyRequest, token: Secret): boolean {
  const shown = shownCredential(request.raw);
  return shown.kind === 'credential' && timingSafeEqual(digest(shown.text), digest(token.reveal()));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isAddress(host: string): boolean {
  const [, bracketed, plain = ''] = /^(?:\[([0-9a-f:.]+)\]|([\d.]+))(?::\d{1,5})?$/i.exec(host) ?? [];
  return isIP(bracketed ?? plain) !== 0;
}

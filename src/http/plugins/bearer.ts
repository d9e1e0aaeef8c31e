import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../../access/principal.ts';
import { TokenRefusedError } from '../../access/tokens.ts';
import type { AppParts } from '../parts.ts';
import { resourceMetadataUrl } from '../public-url.ts';

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null;
  }
  interface FastifyContextConfig {
    /** Answered without a token. */
    open?: boolean;
  }
}

/**
 * Asks every route that does not say `config.open` for a bearer token, on every request (MCP, "Authorization").
 * A refusal carries the challenge of RFC 6750 with the metadata address of RFC 9728.
 */
export function bearer(app: FastifyInstance, { auth, http, verifyToken, logger }: AppParts): void {
  app.decorateRequest('principal', null);
  app.addHook('onRequest', async (request, reply) => {
    // A path that does not exist is not open either: nobody learns without a token what there is.
    if (request.routeOptions.config.open || request.method === 'OPTIONS') return;
    if (auth.mode === 'none') {
      request.principal = await verifyToken('');
      return;
    }
    const metadata = resourceMetadataUrl(http, request);
    const token = bearerToken(request);
    if (token === undefined)
      return challenge(reply, 401, metadata, undefined, 'Send Authorization: Bearer <token>.');
    if (token === '')
      return challenge(reply, 400, metadata, 'invalid_request', 'The Authorization header is malformed.');
    try {
      request.principal = await verifyToken(token);
    } catch (error) {
      const reason = error instanceof TokenRefusedError ? error.message : 'the token could not be checked';
      logger.warn({ reason, address: request.ip }, 'token refused');
      return challenge(reply, 401, metadata, 'invalid_token', `The token was refused: ${reason}.`);
    }
    if (request.principal.scopes.size > 0) return;
    return challenge(
      reply,
      403,
      metadata,
      'insufficient_scope',
      'The token holds none of the scopes of this service.',
    );
  });
}

/** The token; '' where the header is there and is no bearer token; undefined where there is none. */
function bearerToken({ headers }: FastifyRequest): string | undefined {
  if (headers.authorization === undefined) return undefined;
  return /^Bearer ([A-Za-z0-9._~+/=-]+) *$/i.exec(headers.authorization)?.[1] ?? '';
}

function challenge(
  reply: FastifyReply,
  status: number,
  metadata: string,
  error: string | undefined,
  message: string,
) {
  const parts = [
    ...(error === undefined
      ? []
      : [`error="${error}"`, `error_description="${message.replaceAll('"', "'")}"`]),
    ...(error === 'insufficient_scope' ? ['scope="proxmox:read"'] : []),
    `resource_metadata="${metadata}"`,
  ];
  return reply
    .code(status)
    .header('www-authenticate', `Bearer ${parts.join(', ')}`)
    .send({ error: error ?? 'unauthorized', message });
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TokenRefusedError, TokenUncheckedError } from '../../access/claims.ts';
import type { Principal } from '../../access/principal.ts';
import { UNOBSERVED } from '../../observability/observer.ts';
import type { AppParts } from '../parts.ts';
import { resourceMetadataUrl } from '../public-url.ts';
import type { FailedLogin } from './limits.ts';
import { credentialOf, digestOf } from './shown-credential.ts';

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null;
  }
  interface FastifyContextConfig {
    /** Answered without a token. */
    open?: boolean;
  }
}

/** What a client should ask its authorization server for; without it, clients ask for all that the metadata lists. */
const FIRST_SCOPE = 'proxmox:read';
const RETRY_SECONDS = 5;

/**
 * Asks every route that does not say `config.open` for a bearer token or an API key, on every request (MCP,
 * "Authorization"). A refusal carries the challenge of RFC 6750 with the metadata address of RFC 9728.
 */
export function bearer(
  app: FastifyInstance,
  { auth, http, verifyToken, logger, observer = UNOBSERVED }: AppParts,
  failedLogin: FailedLogin,
): void {
  app.decorateRequest('principal', null);
  app.decorateRequest('shown', undefined);
  app.addHook('onRequest', async (request, reply) => {
    // A path that does not exist is not open either: nobody learns without a token what there is.
    if (request.routeOptions.config.open || request.method === 'OPTIONS') return;
    if (auth.mode === 'none') {
      request.principal = await verifyToken('');
      return;
    }
    const metadata = () => resourceMetadataUrl(http, request);
    const shown = credentialOf(request);
    if (shown.kind === 'none')
      return challenge(reply, 401, metadata, undefined, 'Send Authorization: Bearer <token>.');
    if (shown.kind === 'wrong') {
      observer.loginFailed();
      const tooMany = await failedLogin(request);
      return tooMany ? tooMany(reply) : challenge(reply, 400, metadata, 'invalid_request', shown.problem);
    }
    try {
      request.principal = await verifyToken(shown.text, digestOf(shown));
    } catch (error) {
      if (error instanceof TokenUncheckedError) return unchecked(request, reply, error);
      observer.loginFailed();
      const tooMany = await failedLogin(request, error);
      if (tooMany) return tooMany(reply);
      const reason = error instanceof TokenRefusedError ? error.message : 'the token could not be checked';
      logger.warn({ request_id: request.id, reason, address: request.ip }, 'token refused');
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

  /** A 401 would send clients into a login that changes nothing. */
  function unchecked(request: FastifyRequest, reply: FastifyReply, error: TokenUncheckedError) {
    logger.error({ request_id: request.id, reason: error.message, err: error.cause }, 'token not checked');
    return reply.code(503).header('retry-after', String(RETRY_SECONDS)).send({
      error: 'temporarily_unavailable',
      message: 'The token could not be checked; try again. The log of the server has the cause.',
    });
  }
}

function challenge(
  reply: FastifyReply,
  status: number,
  metadata: () => string,
  error: string | undefined,
  message: string,
) {
  const parts = [
    ...(error === undefined
      ? []
      : [`error="${error}"`, `error_description="${message.replaceAll('"', "'")}"`]),
    `resource_metadata="${metadata()}"`,
    ...(status === 400 ? [] : [`scope="${FIRST_SCOPE}"`]),
  ];
  return reply
    .code(status)
    .header('www-authenticate', `Bearer ${parts.join(', ')}`)
    .send({ error: error ?? 'unauthorized', message });
}

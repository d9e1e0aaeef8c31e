import type { FastifyInstance } from 'fastify';
import { SCOPES } from '../../access/principal.ts';
import type { AppParts } from '../parts.ts';
import { publicUrl } from '../public-url.ts';

/**
 * Protected resource metadata (RFC 9728). With a shared secret there is no authorization server, and none is listed.
 */
export function metadataRoutes(app: FastifyInstance, { auth, http }: AppParts): void {
  const servers = auth.mode === 'jwks' && auth.issuer !== undefined ? [auth.issuer] : undefined;
  for (const suffix of ['', '/mcp']) {
    app.get(
      `/.well-known/oauth-protected-resource${suffix}`,
      { config: { open: true } },
      async (request) => ({
        resource: `${publicUrl(http, request)}/mcp`,
        ...(servers === undefined ? {} : { authorization_servers: servers }),
        scopes_supported: SCOPES,
        bearer_methods_supported: ['header'],
        resource_name: 'Proxmox MCP',
      }),
    );
  }
}

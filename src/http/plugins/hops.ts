import type { FastifyInstance } from 'fastify';
import { addressOfHop, HOP_HEADER } from '../../replicas/hop.ts';
import type { ReplicaRegistry } from '../../replicas/registry.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Another replica has sent this request on, for a client at that address, and has counted it. */
    hop: { readonly address: string } | null;
  }
}

/**
 * Tells what another replica has sent on from what a client sends. Only the way is trusted, and for the limits alone:
 * Host, Origin and token are checked as always.
 */
export function hops(app: FastifyInstance, replicas: ReplicaRegistry | undefined): void {
  app.decorateRequest('hop', null);
  if (replicas === undefined) return;
  app.addHook('onRequest', async (request) => {
    if (request.headers[HOP_HEADER] === undefined) return;
    const address = addressOfHop(request.raw, replicas.key);
    if (address !== undefined) request.hop = { address };
  });
}

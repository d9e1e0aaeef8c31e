import { IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import helmet from 'helmet';

/**
 * What keeps a browser from doing anything with an answer. Every answer bears it: those that Fastify sends by the hook
 * below, those of doors because `headersOf` gives it to whoever takes a response over.
 */
export const SECURITY_HEADERS: Readonly<OutgoingHttpHeaders> = fromHelmet();

/** Sends them with every answer of Fastify's, refusals too. */
export function securityHeaders(app: FastifyInstance): void {
  app.addHook('onSend', (_request, reply, _payload, done) => {
    reply.headers(SECURITY_HEADERS);
    done();
  });
}

/** They are the same for every answer, so helmet works them out once, on one that nobody reads. */
function fromHelmet(): OutgoingHttpHeaders {
  const protect = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  protect(request, response, (error) => {
    if (error !== undefined) throw error;
  });
  return response.getHeaders();
}

import helmet from '@fastify/helmet';
import type { FastifyInstance, FastifyReply } from 'fastify';

/**
 * The headers that keep a browser from doing anything with an answer. They are the same for every answer, so helmet works
 * them out for the first one alone.
 */
export async function securityHeaders(app: FastifyInstance): Promise<void> {
  await app.register(helmet, {
    global: false,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  let headers: readonly (readonly [name: string, value: string | number | string[]])[] | undefined;
  app.addHook('onRequest', (_request, reply, done) => {
    const { raw } = reply;
    if (headers !== undefined) {
      for (const [name, value] of headers) raw.setHeader(name, value);
      done();
      return;
    }
    learn(reply).then(() => done(), done);
  });

  async function learn(reply: FastifyReply): Promise<void> {
    const { raw } = reply;
    const before = new Set(raw.getHeaderNames());
    await reply.helmet();
    headers = Object.entries(raw.getHeaders()).flatMap(([name, value]) =>
      value === undefined || before.has(name) ? [] : [[name, value] as const],
    );
  }
}

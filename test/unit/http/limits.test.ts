import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { RateLimits } from '../../../src/config/config.ts';
import { KnownCredentials } from '../../../src/http/known-credentials.ts';
import { createLimits } from '../../../src/http/plugins/limits.ts';

const ADDRESSES = 100_000;

/** The hooks with requests and replies that hold no more than they read, so that many are quick. */
async function limitsOf(limits: Partial<RateLimits>) {
  const http = { limits: { perAddress: 0, perPrincipal: 0, failedLogins: 0, ...limits } };
  const parts = { http, logger: pino({ level: 'silent' }) } as unknown as Parameters<typeof createLimits>[1];
  return createLimits(Fastify(), parts);
}

function requestFrom(ip: string, credential?: string): FastifyRequest {
  const rawHeaders = credential === undefined ? [] : ['Authorization', `Bearer ${credential}`];
  const raw = { rawHeaders, url: '/mcp' };
  return { ip, raw, routeOptions: { config: {}, url: '/mcp' }, socket: {} } as unknown as FastifyRequest;
}

function replyInto(sent: { code?: number; body?: unknown }, done: () => void): FastifyReply {
  const reply = {
    header: () => reply,
    headers: () => reply,
    code: (code: number) => Object.assign(sent, { code }) && reply,
    send: (body: unknown) => {
      Object.assign(sent, { body });
      done();
      return reply;
    },
    // biome-ignore lint/suspicious/noThenProperty: a reply of Fastify can be awaited
    then: undefined,
  };
  return reply as unknown as FastifyReply;
}

const address = (number: number) => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;

describe('the memory of the limits', () => {
  it('is bounded: after 100,000 addresses the first are forgotten, the last are not', async () => {
    const limits = await limitsOf({ perAddress: 1, failedLogins: 1 });
    const status = async (number: number) => {
      const sent: { code?: number } = {};
      await new Promise<void>((resolve) => {
        limits.address(requestFrom(address(number)), replyInto(sent, resolve), () => resolve());
      });
      return sent.code ?? 200;
    };
    for (let number = 0; number < ADDRESSES; number++) {
      if ((await status(number)) !== 200)
        throw new Error(`the first request of ${address(number)} was refused`);
      await limits.failedLogin(requestFrom(address(number)));
    }
    expect([await status(ADDRESSES - 1), await status(ADDRESSES - 9000)]).toEqual([429, 429]);
    expect([await status(0), await status(ADDRESSES - 20_000)]).toEqual([200, 200]);
    expect(await limits.failedLogin(requestFrom(address(ADDRESSES - 1)))).toBeDefined();
    expect(await limits.failedLogin(requestFrom(address(1)))).toBeUndefined();
  });

  it('holds the credentials that were used last, as digests', () => {
    const known = new KnownCredentials(100);
    known.add(requestFrom('10.0.0.1', 'canary-token'));
    for (let number = 0; number < 1000; number++) {
      known.add(requestFrom('10.0.0.1', `token-${number}`));
      known.add(requestFrom('10.0.0.1', 'used-always'));
    }
    expect(known.size).toBe(100);
    expect(known.has(requestFrom('10.0.0.1', 'canary-token'))).toBe(false);
    expect(known.has(requestFrom('10.0.0.2', 'used-always'))).toBe(true);
    expect(known.has(requestFrom('10.0.0.2', 'token-999'))).toBe(true);
    known.forget(requestFrom('10.0.0.3', 'token-999'));
    expect(known.has(requestFrom('10.0.0.2', 'token-999'))).toBe(false);
    known.add(requestFrom('10.0.0.1'));
    expect(known.has(requestFrom('10.0.0.1'))).toBe(false);
  });
});

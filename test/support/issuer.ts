import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose';

export type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

/** An authorization server reduced to its keys, on loopback. */
export class Issuer {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly pairs: ReadonlyMap<string, Pair>;
  /** What it publishes; a test may change it. */
  keys: JWK[];
  fetches = 0;
  readonly #server: Server;

  private constructor(server: Server, pairs: Map<string, Pair>, keys: JWK[]) {
    this.#server = server;
    this.pairs = pairs;
    this.keys = keys;
    this.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.jwksUrl = `${this.issuer}/keys`;
    server.on('request', (_request, response) => {
      this.fetches += 1;
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: this.keys }));
    });
  }

  /** @param kinds algorithm by key id */
  static async start(kinds: Record<string, string>): Promise<Issuer> {
    const pairs = new Map<string, Pair>();
    const keys: JWK[] = [];
    for (const [kid, alg] of Object.entries(kinds)) {
      const pair = await generateKeyPair(alg, { extractable: true });
      pairs.set(kid, pair);
      keys.push({ ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' });
    }
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new Issuer(server, pairs, keys);
  }

  pair(kid: string): Pair {
    const pair = this.pairs.get(kid);
    if (!pair) throw new Error(`the issuer has no key ${kid}`);
    return pair;
  }

  /** Signs claims with one of its keys. */
  sign(claims: JWTPayload, header: JWTHeaderParameters & { kid: string }, crit?: Record<string, boolean>) {
    return new SignJWT({ iss: this.issuer, ...claims })
      .setProtectedHeader(header)
      .sign(this.pair(header.kid).privateKey, crit ? { crit } : {});
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}

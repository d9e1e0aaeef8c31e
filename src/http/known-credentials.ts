import { hash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { shownCredential } from './plugins/shown-credential.ts';

const MOST = 10_000;

/**
 * The credentials that were good when they were shown last, as digests. It says nothing of whether they still are:
 * whoever shows one is only not counted among the strangers of an address, and its token is checked as always.
 */
export class KnownCredentials {
  readonly #digests = new Set<string>();
  /** Of requests under way, each of which is asked about twice. */
  readonly #ofRequests = new WeakMap<FastifyRequest, string>();
  readonly #most: number;

  constructor(most = MOST) {
    this.#most = most;
  }

  get size(): number {
    return this.#digests.size;
  }

  has(request: FastifyRequest): boolean {
    const digest = this.#digestOf(request);
    return digest !== undefined && this.#digests.has(digest);
  }

  /** Beyond the bound the one that was used longest ago is forgotten. */
  add(request: FastifyRequest): void {
    const digest = this.#digestOf(request);
    if (digest === undefined) return;
    this.#digests.delete(digest);
    this.#digests.add(digest);
    if (this.#digests.size <= this.#most) return;
    for (const oldest of this.#digests) {
      this.#digests.delete(oldest);
      return;
    }
  }

  forget(request: FastifyRequest): void {
    const digest = this.#digestOf(request);
    if (digest !== undefined) this.#digests.delete(digest);
  }

  #digestOf(request: FastifyRequest): string | undefined {
    const known = this.#ofRequests.get(request);
    if (known !== undefined) return known;
    const shown = shownCredential(request.raw);
    if (shown.kind !== 'credential') return undefined;
    const digest = hash('sha256', shown.text, 'base64');
    this.#ofRequests.set(request, digest);
    return digest;
  }
}

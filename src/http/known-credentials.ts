import type { FastifyRequest } from 'fastify';
import { credentialOf, digestOf } from './plugins/shown-credential.ts';

const MOST = 10_000;

/**
 * The credentials that were good when they were shown last, as digests. It says nothing of whether they still are:
 * whoever shows one is only not counted among the strangers of an address, and its token is checked as always.
 */
export class KnownCredentials {
  readonly #digests = new Set<string>();
  readonly #most: number;

  constructor(most = MOST) {
    this.#most = most;
  }

  get size(): number {
    return this.#digests.size;
  }

  has(request: FastifyRequest): boolean {
    const digest = digestIn(request);
    return digest !== undefined && this.#digests.has(digest);
  }

  /** Beyond the bound the one that was used longest ago is forgotten. */
  add(request: FastifyRequest): void {
    const digest = digestIn(request);
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
    const digest = digestIn(request);
    if (digest !== undefined) this.#digests.delete(digest);
  }
}

function digestIn(request: FastifyRequest): string | undefined {
  const shown = credentialOf(request);
  return shown.kind === 'credential' ? digestOf(shown) : undefined;
}

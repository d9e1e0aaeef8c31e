import type { ClusterCredentials } from '../config/config.ts';
import type { Clock } from './breaker.ts';
import { CallError } from './errors.ts';
import type { WireAnswer } from './exchange.ts';
import { identity } from './pve-errors.ts';
import { cleanText } from './text.ts';
import { parseEnvelope, pveMessage } from './wire.ts';

const REFUSED_MS = 60_000;

/**
 * Remembers that PVE refused the credentials. Each 401 takes PVE 3 s, on purpose, and holds one of its few workers:
 * for a minute, or until a changed configuration brings a new engine, calls are answered here at once.
 */
export class Refusal {
  readonly #credentials: ClusterCredentials;
  readonly #clock: Clock;
  #until = 0;
  #reason = '';

  constructor(credentials: ClusterCredentials, clock: Clock) {
    this.#credentials = credentials;
    this.#clock = clock;
  }

  /** @throws CallError UPSTREAM_AUTH while the credentials count as refused. */
  check(): void {
    // More than a minute is left only where the clock was set back.
    const leftMs = this.#until - this.#clock.now();
    if (leftMs > 0 && leftMs <= REFUSED_MS) throw this.error();
  }

  /** Notes a 401. */
  mark(answer: WireAnswer, secrets: readonly string[]): void {
    const message = pveMessage(answer, parseEnvelope(answer.body), secrets);
    this.#reason = cleanText(message ?? '');
    this.#until = this.#clock.now() + REFUSED_MS;
  }

  /** The error to answer with, after `mark`. */
  error(): CallError {
    const reason = this.#reason === '' ? '' : ` (${this.#reason})`;
    const until = new Date(this.#until).toISOString().slice(11, 19);
    return new CallError(
      'UPSTREAM_AUTH',
      `Proxmox VE refused ${identity(this.#credentials)}${reason}. It is not asked again before ${until} UTC.`,
      { hint: this.#hint(), status: 401 },
    );
  }

  #hint(): string {
    if (this.#credentials.kind === 'password') {
      return 'Check user, realm and password of this cluster; the account may be disabled or expired (pveum user list).';
    }
    const { user, tokenId } = this.#credentials;
    return (
      `Check token_id and token_secret of this cluster. Whether the token exists and has expired: pveum user token ` +
      `list ${user}. A new secret: pveum user token remove ${user} ${tokenId}, then pveum user token add ${user} ${tokenId} --privsep 0 (without it the token has rights of its own to be granted)`
    );
  }
}

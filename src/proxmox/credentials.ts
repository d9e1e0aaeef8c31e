import { elapsed } from '../catalogue/elapsed.ts';
import type { ClusterCredentials } from '../config/config.ts';
import type { Clock } from './breaker.ts';
import type { HttpMethod } from './call.ts';
import { abortable } from './deadline.ts';
import type { Ending } from './ending.ts';
import { CallError } from './errors.ts';

/** A ticket is valid for two hours; renewing well before leaves room for clocks that differ. */
const RENEW_AFTER_MS = 100 * 60_000;

export interface Ticket {
  ticket: string;
  csrfToken: string;
}

/** The headers that sign one request, and what they were made from. */
export interface Signature {
  headers: Readonly<Record<string, string>>;
  /** Present with a password login: after a 401 the call may be signed anew. */
  ticket?: Ticket;
}

/** Signs requests with an API token, or with a ticket that many callers share. */
export class Signer {
  readonly #credentials: ClusterCredentials;
  readonly #login: () => Promise<Ticket>;
  readonly #clock: Clock;
  readonly #onSecrets: ((secrets: readonly string[]) => void) | undefined;
  #session: { ticket: Ticket; since: number } | undefined;
  #pending: Promise<Ticket> | undefined;

  /**
   * @param login asks PVE for a ticket; only used with a password
   * @param onSecrets is told each ticket with its CSRF token before it is used
   */
  constructor(
    credentials: ClusterCredentials,
    login: () => Promise<Ticket>,
    clock: Clock,
    onSecrets?: (secrets: readonly string[]) => void,
  ) {
    this.#credentials = credentials;
    this.#login = login;
    this.#clock = clock;
    this.#onSecrets = onSecrets;
  }

  /**
   * Gives the headers for a request, after a login where there is no fresh ticket.
   *
   * @throws what the login throws, or the signal's reason; an abort does not end a login that others wait for.
   */
  sign(method: HttpMethod, signal: Ending): Signature | Promise<Signature> {
    const credentials = this.#credentials;
    if (credentials.kind === 'password') return this.#signWithTicket(method, signal);
    const { user, tokenId, secret } = credentials;
    return { headers: { authorization: `PVEAPIToken=${user}!${tokenId}=${secret.reveal()}` } };
  }

  async #signWithTicket(method: HttpMethod, signal: Ending): Promise<Signature> {
    const ticket = this.#fresh() ?? (await this.#shared(signal));
    const headers: Record<string, string> = { cookie: `PVEAuthCookie=${encodeURIComponent(ticket.ticket)}` };
    if (method !== 'GET') headers.csrfpreventiontoken = ticket.csrfToken;
    return { headers, ticket };
  }

  /** Drops a ticket that PVE refused, unless another caller has replaced it already. */
  forget(ticket: Ticket): void {
    if (this.#session?.ticket === ticket) this.#session = undefined;
  }

  /** Everything that must not appear in a text about a request that was signed so. */
  secrets(signature?: Signature): string[] {
    const credentials = this.#credentials;
    const lasting = credentials.kind === 'token' ? credentials.secret : credentials.password;
    const ticket = signature?.ticket;
    return [lasting.reveal(), ...(ticket === undefined ? [] : [ticket.ticket, ticket.csrfToken])];
  }

  #fresh(): Ticket | undefined {
    if (this.#session === undefined) return undefined;
    return elapsed(this.#session.since, this.#clock.now()) < RENEW_AFTER_MS
      ? this.#session.ticket
      : undefined;
  }

  /**
   * A ticket that all wait for together. A login that was under way already may have begun in trouble that is over by
   * now: where it fails for a passing reason, those who joined it begin one more, again together.
   */
  async #shared(signal: Ending): Promise<Ticket> {
    const joined = this.#pending;
    if (joined === undefined) return abortable(this.#renew(), signal);
    try {
      return await abortable(joined, signal);
    } catch (thrown) {
      if (signal.aborted || !(thrown instanceof CallError && thrown.retryable)) throw thrown;
      return abortable(this.#renew(), signal);
    }
  }

  #renew(): Promise<Ticket> {
    this.#pending ??= this.#login()
      .then((ticket) => {
        this.#onSecrets?.([ticket.ticket, ticket.csrfToken]);
        this.#session = { ticket, since: this.#clock.now() };
        return ticket;
      })
      .finally(() => {
        this.#pending = undefined;
      });
    return this.#pending;
  }
}

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const LIFETIME_SECONDS = 2 * 3600;
/** A host whose clock is a little behind must still be believed. */
const SKEW_SECONDS = 300;

/** Login tickets and their CSRF tokens, valid for two hours of the given clock. */
export class Tickets {
  #key = randomBytes(32);
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Every ticket issued so far is invalid, as after two hours or a change of the key. */
  expireAll(): void {
    this.#key = randomBytes(32);
  }

  issue(user: string): { ticket: string; csrf: string } {
    const time = Math.floor(this.#clock() / 1000)
      .toString(16)
      .toUpperCase();
    const plain = `PVE:${user}:${time}`;
    return { ticket: `${plain}::${this.#sign(plain)}`, csrf: `${time}:${this.#sign(`${time}:${user}`)}` };
  }

  /** @returns the user the ticket was issued to, or undefined when it is forged or has expired */
  verify(ticket: string): string | undefined {
    const [, plain, user, time, signature] = /^(PVE:([^:]+):([0-9A-F]+))::(.+)$/.exec(ticket) ?? [];
    if (!plain || !time || !signature || !this.#matches(plain, signature) || !this.#fresh(time))
      return undefined;
    return user;
  }

  verifyCsrf(user: string, token: string): boolean {
    const [, time, signature] = /^([0-9A-F]+):(.+)$/.exec(token) ?? [];
    if (!time || !signature) return false;
    return this.#matches(`${time}:${user}`, signature) && this.#fresh(time);
  }

  #sign(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64');
  }

  #matches(text: string, signature: string): boolean {
    const expected = Buffer.from(this.#sign(text));
    const given = Buffer.from(signature);
    return expected.length === given.length && timingSafeEqual(expected, given);
  }

  #fresh(time: string): boolean {
    const age = this.#clock() / 1000 - Number.parseInt(time, 16);
    return age > -SKEW_SECONDS && age < LIFETIME_SECONDS;
  }
}

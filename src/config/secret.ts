import { inspect } from 'node:util';

/**
 * A value that must never be printed. String conversion, JSON and `util.inspect` all give `[redacted]`;
 * the value leaves only through `reveal()`, which is called where a request is signed, and where a secret is written
 * to a file on the operator's word.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return '[redacted]';
  }
}

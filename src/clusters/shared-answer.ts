import { elapsed } from '../catalogue/elapsed.ts';
import type { Clock } from '../proxmox/breaker.ts';
import { abortable } from '../proxmox/deadline.ts';
import type { Ending } from '../proxmox/ending.ts';

/** A question under way. They are numbered in the order in which they were begun. */
interface Question<T> {
  number: number;
  answer: Promise<T>;
}

/** One answer for many callers: they share a question under way, and its answer for a while after. */
export class SharedAnswer<T> {
  readonly #ask: () => Promise<T>;
  readonly #freshMs: () => number;
  readonly #clock: Clock;
  #last: { answer: T; at: number } | undefined;
  #pending: Question<T> | undefined;
  /** Begins when the one under way ends: that one was begun too early for those who wait here. */
  #next: Promise<T> | undefined;
  #begun = 0;
  /** The first question whose answer still holds. */
  #least = 0;

  /**
   * @param ask a failure is told to those who wait, and not kept
   * @param freshMs how long an answer is kept, in milliseconds
   */
  constructor(ask: () => Promise<T>, freshMs: number | (() => number), clock: Clock) {
    this.#ask = ask;
    this.#freshMs = typeof freshMs === 'number' ? () => freshMs : freshMs;
    this.#clock = clock;
  }

  /**
   * @param fresh takes no answer to a question that was begun before this call
   * @throws what the question fails with, or the signal's reason: that ends this caller's waiting alone.
   */
  async get(signal?: Ending, fresh = false): Promise<T> {
    signal?.throwIfAborted();
    if (!fresh && this.#last !== undefined && this.isFresh()) return this.#last.answer;
    const answer = this.#question(fresh ? this.#begun + 1 : this.#least);
    return signal === undefined ? answer : abortable(answer, signal);
  }

  /** Whether an answer is kept that `get` would give. */
  isFresh(): boolean {
    return this.#last !== undefined && elapsed(this.#last.at, this.#clock.now()) < this.#freshMs();
  }

  /** The answer that is kept, however old. */
  peek(): T | undefined {
    return this.#last?.answer;
  }

  /** Keeps an answer that was found in another way. @param ageMs how old it is already */
  set(answer: T, ageMs = 0): void {
    this.#last = { answer, at: this.#clock.now() - ageMs };
  }

  /** Drops the answer that is kept; a question under way goes on. */
  forget(): void {
    this.#last = undefined;
  }

  /** Drops the answer that is kept; one to a question under way is for those who wait for it already. */
  outdate(): void {
    this.#last = undefined;
    this.#least = this.#begun + 1;
  }

  /** The answer to a question with this number or a later one; at most one question is under way. */
  #question(least: number): Promise<T> {
    const pending = this.#pending;
    if (pending === undefined) return this.#begin();
    if (pending.number >= least) return pending.answer;
    const again = () => this.#question(least);
    this.#next ??= pending.answer.then(again, again);
    return this.#next;
  }

  #begin(): Promise<T> {
    this.#next = undefined;
    const number = ++this.#begun;
    const answer = this.#renew(number).finally(() => {
      if (this.#pending?.number === number) this.#pending = undefined;
    });
    this.#pending = { number, answer };
    return answer;
  }

  async #renew(number: number): Promise<T> {
    const answer = await this.#ask();
    if (number >= this.#least) this.#last = { answer, at: this.#clock.now() };
    return answer;
  }
}

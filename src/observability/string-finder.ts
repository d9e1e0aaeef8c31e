/** Texts shorter than this are not looked for: they would be found everywhere. */
export const SHORTEST = 6;
const BLOCK = 3;
const TABLE_SIZE = 65_536;

/**
 * Finds any of many texts in one pass, without looking at most of the characters (S. Wu and U. Manber, "A fast
 * algorithm for multi-pattern searching", 1994). A regular expression over a thousand alternatives tries them one by
 * one at each position.
 */
export class StringFinder {
  readonly #width: number;
  readonly #shifts: Uint8Array;
  readonly #ending = new Map<number, string[]>();

  constructor(texts: Iterable<string>) {
    const wanted = [...new Set(texts)].filter((text) => text.length >= SHORTEST);
    this.#width = wanted.reduce((least, text) => Math.min(least, text.length), 255);
    this.#shifts = new Uint8Array(wanted.length === 0 ? 0 : TABLE_SIZE).fill(this.#width - BLOCK + 1);
    for (const text of wanted) this.#learn(text);
  }

  /** The places of the texts as `[from, to)`, in order; those that touch or overlap are one. */
  *places(text: string): Generator<[from: number, to: number]> {
    let open: [from: number, to: number] | undefined;
    for (let from = this.#next(text, 0); from >= 0; from = this.#next(text, from + 1)) {
      const to = from + this.#longestAt(text, from);
      if (open === undefined || from > open[1]) {
        if (open !== undefined) yield open;
        open = [from, to];
      } else {
        open[1] = Math.max(open[1], to);
      }
    }
    if (open !== undefined) yield open;
  }

  isIn(text: string): boolean {
    return this.#next(text, 0) >= 0;
  }

  replace(text: string, substitute: string): string {
    if (!this.isIn(text)) return text;
    let result = '';
    let done = 0;
    for (const [from, to] of this.places(text)) {
      result += text.slice(done, from) + substitute;
      done = to;
    }
    return result + text.slice(done);
  }

  /** Where the next of the texts begins, at `from` or behind it; -1 where there is none. */
  #next(text: string, from: number): number {
    if (this.#shifts.length === 0) return -1;
    for (let last = from + this.#width - 1; last < text.length; ) {
      const shift = this.#shifts[blockAt(text, last)] ?? 1;
      const start = last - this.#width + 1;
      if (shift === 0 && this.#longestAt(text, start) > 0) return start;
      last += Math.max(shift, 1);
    }
    return -1;
  }

  #learn(text: string): void {
    for (let last = BLOCK - 1; last < this.#width; last++) {
      const block = blockAt(text, last);
      this.#shifts[block] = Math.min(this.#shifts[block] ?? 0, this.#width - 1 - last);
    }
    const block = blockAt(text, this.#width - 1);
    const known = this.#ending.get(block);
    if (known === undefined) this.#ending.set(block, [text]);
    else known.push(text);
  }

  #longestAt(text: string, from: number): number {
    let longest = 0;
    for (const wanted of this.#ending.get(blockAt(text, from + this.#width - 1)) ?? []) {
      if (wanted.length > longest && text.startsWith(wanted, from)) longest = wanted.length;
    }
    return longest;
  }
}

/** The three characters up to `last`, as a number below 65,536. */
function blockAt(text: string, last: number): number {
  const [a, b, c] = [text.charCodeAt(last - 2), text.charCodeAt(last - 1), text.charCodeAt(last)];
  return ((a << 10) ^ (b << 5) ^ c) & (TABLE_SIZE - 1);
}

/**
 * Holds things of which thousands come and go in a second, such as calls under way; in place of a Set or a Map that lives
 * as long as the process. V8 has each table that one of those has outgrown point to the next: once one of them is in the
 * old generation, all that come behind it follow, with whatever was in them, until a full collection. Where 32 things
 * were in at a time, nine tenths of all that went through a Map came to be old that way, and a thousandth here.
 */
export class Slab<T> {
  readonly #places: (T | undefined)[] = [];
  readonly #free: number[] = [];

  /** @returns its place, which `remove` wants; another one has it afterwards */
  add(thing: T): number {
    const place = this.#free.pop() ?? this.#places.length;
    this.#places[place] = thing;
    return place;
  }

  /** Called once for each that was added. */
  remove(place: number): void {
    this.#places[place] = undefined;
    this.#free.push(place);
  }

  *[Symbol.iterator](): Generator<T> {
    for (const thing of this.#places) if (thing !== undefined) yield thing;
  }
}

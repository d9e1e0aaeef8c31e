import { createHash } from 'node:crypto';
import type { Catalogue } from './catalogue.ts';

/**
 * Catalogues by what they were made from. Clusters of one version mostly have the same schema to the letter, and then
 * one catalogue in memory and one search index serve them all; a host whose schema differs has its own. What no
 * cluster uses any more goes.
 */
export class SharedCatalogues {
  readonly #known = new Map<string, WeakRef<Catalogue>>();

  /**
   * @param json the schema's tree as `JSON.stringify` writes it
   * @param make called where no cluster has this one; what it throws is thrown
   */
  of(version: string, json: string, make: () => Catalogue): Catalogue {
    const key = createHash('sha256').update(version).update('\0').update(json).digest('base64');
    const known = this.#known.get(key)?.deref();
    if (known) return known;
    for (const [other, reference] of this.#known) {
      if (reference.deref() === undefined) this.#known.delete(other);
    }
    const made = make();
    this.#known.set(key, new WeakRef(made));
    return made;
  }
}

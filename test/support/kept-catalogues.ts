import { loadBuiltInCatalogue } from '../../src/catalogue/builtin.ts';
import type { Catalogue } from '../../src/catalogue/catalogue.ts';
import { SharedCatalogues } from '../../src/catalogue/shared.ts';

class KeptCatalogues extends SharedCatalogues {
  readonly #kept = new Set<Catalogue>();

  override of(...given: Parameters<SharedCatalogues['of']>): Catalogue {
    const catalogue = super.of(...given);
    this.#kept.add(catalogue);
    return catalogue;
  }
}

const made: { builtIn?: Catalogue } = {};

/**
 * For a cluster manager over simulated clusters, which mostly have one and the same schema: a process of tests then
 * makes its catalogue and the index for searches once, not for each service that it starts.
 */
export const KEPT_CATALOGUES = {
  catalogues: new KeptCatalogues(),
  builtIn: (): Catalogue => {
    made.builtIn ??= loadBuiltInCatalogue();
    return made.builtIn;
  },
};

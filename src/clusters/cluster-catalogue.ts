import type { Logger } from 'pino';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { elapsed } from '../catalogue/elapsed.ts';
import { CatalogueLoader, type FetchText } from '../catalogue/load.ts';
import { prepareSearch } from '../catalogue/search.ts';
import type { SharedCatalogues } from '../catalogue/shared.ts';
import type { Clock } from '../proxmox/breaker.ts';
import { abortable } from '../proxmox/deadline.ts';
import type { Ending } from '../proxmox/ending.ts';
import { CallError } from '../proxmox/errors.ts';
import type { ClusterHealth } from './cluster.ts';

export interface ClusterCatalogueDeps {
  /** Never throws. */
  health: () => Promise<ClusterHealth>;
  fetchText: FetchText;
  /** Where the cluster's schemas are kept; undefined for memory alone. Asked when first needed. */
  directory: () => Promise<string | undefined>;
  builtIn: () => Catalogue;
  /** Catalogues that all clusters share; its own alone where absent. */
  shared?: SharedCatalogues | undefined;
  logger: Logger;
  clock: Clock;
  /** How long the first callers wait for the cluster's schema, in milliseconds; 5 s unless told. */
  patienceMs?: number;
}

const PATIENCE_MS = 5_000;
/** How often the cluster is asked for its version while its catalogue is in use. */
const REFRESH_MS = 30_000;

/**
 * The catalogue of one cluster, kept up in the background. Only the first callers wait, together and for a moment;
 * whatever fails, there is the built-in one.
 */
export class ClusterCatalogue {
  readonly #deps: ClusterCatalogueDeps;
  readonly #closing = new AbortController();
  readonly #reported = new Set<string>();
  #loader: CatalogueLoader | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #first: Promise<void> | undefined;
  /** Nobody waits any more: to wait for what is over, with an ear for the signal, costs more than all else here. */
  #isFirstOver = false;
  #prepared: Catalogue | undefined;

  constructor(deps: ClusterCatalogueDeps) {
    this.#deps = deps;
  }

  /** @throws the signal's reason. */
  async get(signal?: Ending): Promise<Catalogue> {
    signal?.throwIfAborted();
    this.#refresh();
    if (!this.#isFirstOver) {
      this.#first ??= this.#waitForFirst();
      await (signal === undefined ? this.#first : abortable(this.#first, signal));
    }
    const catalogue = this.#loader?.current() ?? this.#deps.builtIn();
    this.#prepare(catalogue);
    return catalogue;
  }

  /** Ends what runs in the background and waits for it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loader?.close();
    await this.#refreshing;
  }

  /** Asks in the background which version runs, and loads its schema; not again while that is fresh. */
  #refresh(): void {
    const now = this.#deps.clock.now();
    if (this.#closing.signal.aborted || this.#refreshing !== undefined) return;
    if (elapsed(this.#refreshedAt, now) < REFRESH_MS) return;
    this.#refreshedAt = now;
    this.#refreshing = this.#load()
      .catch((error: unknown) => this.#report('the API schema of the cluster could not be loaded', error))
      .finally(() => {
        this.#refreshing = undefined;
      });
  }

  async #load(): Promise<void> {
    const [health, loader] = await Promise.all([this.#deps.health(), this.#open()]);
    if (this.#closing.signal.aborted) return;
    if (!health.reachable) {
      this.#report(`no API schema, as the cluster does not answer (${health.code})`);
      return;
    }
    const catalogue = await loader.load(health.version);
    if (catalogue.source === 'cluster' && catalogue.version === health.version) this.#reported.clear();
    this.#prepare(catalogue);
  }

  async #open(): Promise<CatalogueLoader> {
    const directory = await this.#deps.directory();
    this.#loader ??= new CatalogueLoader({
      fetchText: this.#deps.fetchText,
      now: () => this.#deps.clock.now(),
      builtIn: this.#deps.builtIn,
      onProblem: (message, cause) => this.#report(message, cause),
      ...(directory === undefined ? {} : { directory }),
      ...(this.#deps.shared === undefined ? {} : { shared: this.#deps.shared }),
    });
    return this.#loader;
  }

  /** Until the first load is over, or patience is; the promise stays, so that later callers go straight through. */
  async #waitForFirst(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#deps.patienceMs ?? PATIENCE_MS);
    this.#closing.signal.addEventListener('abort', () => resolve(), { once: true });
    await Promise.race([this.#refreshing, promise]);
    clearTimeout(timer);
    this.#isFirstOver = true;
  }

  /** Builds the search index (some 50 ms of work) once those who wait for the catalogue have it. */
  #prepare(catalogue: Catalogue): void {
    if (this.#prepared === catalogue || this.#closing.signal.aborted) return;
    this.#prepared = catalogue;
    setImmediate(() => {
      if (!this.#closing.signal.aborted) prepareSearch(catalogue);
    });
  }

  /** Says each cause once; a schema that could be loaded starts a new count. */
  #report(problem: string, cause?: unknown): void {
    const kind = cause instanceof CallError ? cause.code : cause instanceof Error ? cause.name : '';
    const key = `${problem} ${kind}`;
    if (this.#closing.signal.aborted || this.#reported.has(key)) return;
    this.#reported.add(key);
    const reason = cause instanceof Error ? { reason: cause.message } : {};
    const serving = this.#loader?.current() ?? this.#deps.builtIn();
    this.#deps.logger.warn({ ...reason, serving: serving.label }, problem);
  }
}

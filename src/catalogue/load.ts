import { ApidocError, extractSchema } from './apidoc.ts';
import { loadBuiltInCatalogue } from './builtin.ts';
import { Catalogue } from './catalogue.ts';
import { elapsed } from './elapsed.ts';
import { readMethods } from './schema.ts';
import { SchemaCache } from './schema-cache.ts';
import { SharedCatalogues } from './shared.ts';

/** Where every PVE host serves its own schema, without authentication. */
export const APIDOC_PATH = '/pve-docs/api-viewer/apidoc.js';

export interface FetchedText {
  readonly status: number;
  readonly text: string;
  /** The Last-Modified header. */
  readonly lastModified?: string;
}

/** Fetches a path of the cluster's host without credentials, bounded in size by the implementation. */
export type FetchText = (
  path: string,
  options: { readonly ifModifiedSince?: string; readonly signal: AbortSignal },
) => Promise<FetchedText>;

export interface CatalogueLoaderOptions {
  readonly fetchText: FetchText;
  /** Where schemas are kept over restarts. One per cluster: what one host says of a version is its own. */
  readonly directory?: string;
  /** What other clusters loaded; its own alone unless told. */
  readonly shared?: SharedCatalogues;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** After how long the host is asked again whether its schema changed; a day unless told. */
  readonly maxAgeMs?: number;
  /** After how long a host that gave no schema is asked again; 5 minutes unless told. */
  readonly retryAfterMs?: number;
  /** How long fetching may take; 60 s unless told. */
  readonly timeoutMs?: number;
  /** What serves where no schema can be had. */
  readonly builtIn?: () => Catalogue;
  /** Told of what went wrong in the background. */
  readonly onProblem?: (message: string, cause: unknown) => void;
}

interface Held {
  readonly catalogue: Catalogue;
  readonly version: string;
  readonly lastModified?: string;
  checkedAt: number;
}

/**
 * One cluster's catalogue: its own schema by PVE version, from memory, disk or the host; else the built-in.
 *
 * A schema that is there is served at once and renewed in the background: when the host's version changes, and
 * when it was not checked for a day (a conditional request that mostly ends in a 304). Many callers cause one
 * fetch.
 */
export class CatalogueLoader {
  readonly #options: CatalogueLoaderOptions;
  readonly #cache: SchemaCache | undefined;
  readonly #shared: SharedCatalogues;
  readonly #readings = new Map<string, Promise<void>>();
  readonly #flights = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #builtIn: Catalogue | undefined;
  #held: Held | undefined;
  #failed: { version: string; at: number } | undefined;

  constructor(options: CatalogueLoaderOptions) {
    this.#options = options;
    this.#cache = options.directory === undefined ? undefined : new SchemaCache(options.directory);
    this.#shared = options.shared ?? new SharedCatalogues();
  }

  /** The best catalogue at hand, without waiting. */
  current(): Catalogue {
    if (this.#held) return this.#held.catalogue;
    this.#builtIn ??= (this.#options.builtIn ?? loadBuiltInCatalogue)();
    return this.#builtIn;
  }

  /**
   * The catalogue for a PVE version. Waits only while there is no schema of the cluster at all; never fails:
   * the built-in catalogue serves where none can be had.
   *
   * @param version as GET /version says, such as `9.2.11`.
   * @param signal ends the waiting, not the work that others wait for too.
   */
  async load(version: string, signal?: AbortSignal): Promise<Catalogue> {
    signal?.throwIfAborted();
    // What the disk holds serves at once, even if it is due for a check and the host can't be reached.
    if (this.#held === undefined) await untilAborted(this.#readOnce(version), signal);
    const work = this.#due(version) ? this.#fly(version) : undefined;
    if (work && this.#held === undefined) await untilAborted(work, signal);
    return this.current();
  }

  /** Ends what is under way and waits for it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#flights.values());
  }

  #due(version: string): boolean {
    const now = this.#options.now();
    const { maxAgeMs = 24 * 60 * 60_000, retryAfterMs = 5 * 60_000 } = this.#options;
    if (this.#closing.signal.aborted) return false;
    if (this.#failed?.version === version && elapsed(this.#failed.at, now) < retryAfterMs) return false;
    return this.#held?.version !== version || elapsed(this.#held.checkedAt, now) >= maxAgeMs;
  }

  #fly(version: string): Promise<void> {
    const under = this.#flights.get(version);
    if (under) return under;
    const flight = this.#renew(version)
      .then(() => {
        this.#failed = undefined;
      })
      .catch((error: unknown) => {
        this.#failed = { version, at: this.#options.now() };
        this.#report(`no API schema of version ${version} from the host`, error);
      })
      .finally(() => this.#flights.delete(version));
    this.#flights.set(version, flight);
    return flight;
  }

  #readOnce(version: string): Promise<void> {
    const under = this.#readings.get(version);
    if (under) return under;
    const reading = this.#loadFromDisk(version).finally(() => this.#readings.delete(version));
    this.#readings.set(version, reading);
    return reading;
  }

  async #renew(version: string): Promise<void> {
    if (this.#held?.version !== version) await this.#readOnce(version);
    if (this.#due(version)) await this.#loadFromHost(version);
  }

  async #loadFromDisk(version: string): Promise<void> {
    const kept = await this.#cache?.read(version);
    if (kept === undefined) return;
    try {
      const { json, checkedAt, lastModified } = kept;
      this.#hold(version, json, () => treeIn(json), checkedAt, lastModified);
    } catch (error) {
      this.#report(`the schema kept for version ${version} is damaged`, error);
    }
  }

  async #loadFromHost(version: string): Promise<void> {
    const { fetchText, now, timeoutMs = 60_000 } = this.#options;
    const known = this.#held?.version === version ? this.#held : undefined;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
    const since = known?.lastModified === undefined ? {} : { ifModifiedSince: known.lastModified };
    const answer = await untilAborted(fetchText(APIDOC_PATH, { ...since, signal }), signal);
    if (answer.status === 304 && known) {
      known.checkedAt = now();
      await this.#keep(() => this.#cache?.touch(version, known.checkedAt));
      return;
    }
    if (answer.status !== 200) throw new Error(`the host answered ${answer.status}`);
    const tree = extractSchema(answer.text);
    const json = JSON.stringify(tree);
    const held = this.#hold(version, json, () => tree, now(), answer.lastModified);
    await this.#keep(() => this.#cache?.write(version, { ...held, json }));
  }

  #hold(
    version: string,
    json: string,
    tree: () => readonly unknown[],
    checkedAt: number,
    lastModified: string | undefined,
  ): Held {
    const make = (): Catalogue => {
      const label = `the schema of PVE ${version}`;
      return new Catalogue({ source: 'cluster', version, label, methods: readMethods(tree()) });
    };
    this.#held = {
      catalogue: this.#shared.of(version, json, make),
      version,
      checkedAt,
      ...(lastModified === undefined ? {} : { lastModified }),
    };
    return this.#held;
  }

  // A schema that can't be kept still serves until the restart.
  async #keep(write: () => Promise<void> | undefined): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.#report('the API schema could not be kept on disk', error);
    }
  }

  #report(message: string, cause: unknown): void {
    if (!this.#closing.signal.aborted) this.#options.onProblem?.(message, cause);
  }
}

/** @throws ApidocError where what was kept is no list, or SyntaxError */
function treeIn(json: string): readonly unknown[] {
  const tree: unknown = JSON.parse(json);
  if (Array.isArray(tree)) return tree;
  throw new ApidocError('the schema that was kept is not a list');
}

/** Waits for work, but no longer than the signal says. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

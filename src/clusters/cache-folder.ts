import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ClusterConfig } from '../config/config.ts';

/** The folder for what can be fetched anew, shared by all clusters. It is made, with mode 0700, when first needed. */
export class CacheFolder {
  readonly #path: string | undefined;
  readonly #logger: Logger;
  #usable: Promise<string | undefined> | undefined;

  constructor(path: string | undefined, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  /**
   * The folder of one cluster, which need not exist yet. Below its name stands its address: another cluster of the
   * same name, such as one of the demo, is not to be taken for it.
   *
   * @returns undefined where nothing can be kept on disk; the log says so once.
   */
  async of({ name, endpoints }: ClusterConfig): Promise<string | undefined> {
    this.#usable ??= this.#prepare();
    const root = await this.#usable;
    const [first] = endpoints;
    if (root === undefined || first === undefined) return undefined;
    return join(root, name, `${first.host}_${first.port}`.replaceAll(/[^\w.-]/g, '-'));
  }

  async #prepare(): Promise<string | undefined> {
    if (this.#path === undefined) return undefined;
    try {
      await mkdir(this.#path, { recursive: true, mode: 0o700 });
      await access(this.#path, constants.R_OK | constants.W_OK | constants.X_OK);
      return this.#path;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      const problem =
        'the cache folder can’t be used, API schemas are kept in memory: set CACHE_DIR to one that can';
      this.#logger.warn({ folder: this.#path, code }, problem);
      return undefined;
    }
  }
}

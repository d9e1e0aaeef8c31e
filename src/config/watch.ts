import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { errorCode } from './environment.ts';

export interface WatchOptions {
  /** Called when the contents of at least one file are others than at the last look. */
  onChange: () => void;
  /** Called once at most, when the system can't watch a folder; the regular looks go on. */
  onProblem: (error: unknown) => void;
  /** Milliseconds of quiet after an event before the files are looked at. */
  quietMs?: number;
  /** Milliseconds after which they are looked at although events keep coming. */
  mostMs?: number;
  /** Milliseconds between looks that no event asked for. */
  lookEveryMs?: number;
}

/**
 * Watches files for other contents. Editors replace a file by a new one of its name, and Kubernetes swaps a link that
 * leads to a whole folder (`..data`), so the folders are watched, and an event only asks for a look: contents decide.
 * As some network and bind mounts send no events, a look is also taken now and then.
 */
export class FileWatch {
  readonly #options: Required<WatchOptions>;
  /** Digest of each file at the last look. */
  readonly #seen = new Map<string, string>();
  #files: readonly string[] = [];
  #watcher: FSWatcher | undefined;
  /** What the watcher was made for, as one text. */
  #watched = '';
  #work: Promise<void> = Promise.resolve();
  #asked: { timer: NodeJS.Timeout; since: number } | undefined;
  #looks: NodeJS.Timeout;
  #isClosed = false;
  #isTroubled = false;

  /** @param files absolute paths; what they hold now is what changes are told from */
  constructor(files: readonly string[], options: WatchOptions) {
    this.#options = { quietMs: 300, mostMs: 3_000, lookEveryMs: 30_000, ...options };
    this.#looks = setInterval(() => this.#look(), this.#options.lookEveryMs);
    this.#looks.unref();
    this.follow(files);
  }

  /** Watches these files from now on and no others. A file that was watched before keeps what was seen of it. */
  follow(files: readonly string[]): void {
    const wanted = [...new Set(files)].sort();
    this.#files = wanted;
    for (const path of this.#seen.keys()) if (!wanted.includes(path)) this.#seen.delete(path);
    // At once: what is written while this waits for its turn would be taken for what was there before.
    for (const path of wanted) if (!this.#seen.has(path)) this.#seen.set(path, digestOf(path));
    this.#inTurn(() => this.#watchFolders());
  }

  /** Ends every watch and look; nothing is told afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#looks);
    clearTimeout(this.#asked?.timer);
    await this.#work;
    await this.#watcher?.close();
  }

  /** Looks once events have ended, or have not ended for too long. */
  #ask(): void {
    if (this.#isClosed) return;
    const { quietMs, mostMs } = this.#options;
    const since = this.#asked?.since ?? performance.now();
    clearTimeout(this.#asked?.timer);
    const wait = Math.max(0, Math.min(quietMs, since + mostMs - performance.now()));
    const timer = setTimeout(() => {
      this.#asked = undefined;
      this.#look();
    }, wait);
    timer.unref();
    this.#asked = { timer, since };
  }

  #look(): void {
    this.#inTurn(async () => {
      let isChanged = false;
      for (const path of this.#files) {
        const digest = digestOf(path);
        const before = this.#seen.get(path);
        this.#seen.set(path, digest);
        isChanged ||= before !== undefined && before !== digest;
      }
      await this.#watchFolders();
      if (isChanged && !this.#isClosed) this.#options.onChange();
    });
  }

  /** Watches the folders of the files and of what they link to; a new watcher only where these are others. */
  async #watchFolders(): Promise<void> {
    const paths = [...this.#files, ...(await targetsOf(this.#files))];
    const folders = [...new Set(paths.map((path) => dirname(path)))].sort();
    const names = new Set(paths.map((path) => basename(path)));
    const key = JSON.stringify([folders, [...names].sort()]);
    if (key === this.#watched || this.#isClosed) return;
    this.#watched = key;
    await this.#watcher?.close();
    this.#watcher = undefined;
    if (folders.length === 0) return;
    this.#watcher = watch(folders, {
      depth: 0,
      ignoreInitial: true,
      // A link is what gets swapped; where it leads is among the folders.
      followSymlinks: false,
      // A folder may hold much else. `..data` and its like are the links that Kubernetes swaps.
      ignored: (path) =>
        !folders.includes(path) && !names.has(basename(path)) && !basename(path).startsWith('..'),
      persistent: false,
    });
    this.#watcher
      .on('all', () => this.#ask())
      // What changed between the last look and now went unseen.
      .on('ready', () => this.#ask())
      .on('error', (error) => this.#report(error));
  }

  #report(error: unknown): void {
    if (this.#isTroubled || this.#isClosed) return;
    this.#isTroubled = true;
    this.#options.onProblem(error);
  }

  /** One after the other, so that no look meets a list of files that is being changed. */
  #inTurn(work: () => Promise<void>): void {
    this.#work = this.#work
      .then(() => (this.#isClosed ? undefined : work()))
      .catch((error: unknown) => this.#report(error));
  }
}

/** Stands for the contents; a file that is missing or can't be read has its error in their place. */
function digestOf(path: string): string {
  try {
    // Reading a pipe would wait for its writer, for ever.
    if (!statSync(path).isFile()) return 'not a file';
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (error) {
    return errorCode(error);
  }
}

/** Where files that are links lead to, or whose folders are. */
async function targetsOf(files: readonly string[]): Promise<string[]> {
  return await Promise.all(files.map((file) => realpath(file).catch(() => file)));
}

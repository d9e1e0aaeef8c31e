import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startFlags } from './service.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** What the image holds of ours, made as the Dockerfile does, of the packages that are installed here. */
export class ImageFolder implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<ImageFolder> {
    const folder = await mkdtemp(join(tmpdir(), 'proxmox-mcp-image-'));
    const made = new ImageFolder(folder);
    try {
      await run(process.execPath, [join(ROOT, 'scripts/build.ts'), join(folder, 'dist')]);
      await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
      await copyDependencies(folder);
      await run(process.execPath, [
        join(ROOT, 'scripts/prune-dependencies.ts'),
        join(folder, 'node_modules'),
      ]);
      await run(process.execPath, [
        ...(await startFlags()),
        join(ROOT, 'scripts/make-compile-cache.ts'),
        made.entry,
        made.compileCache,
      ]);
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  get entry(): string {
    return join(this.#folder, 'dist/main.js');
  }

  /** For NODE_COMPILE_CACHE, as the image sets it. */
  get compileCache(): string {
    return join(this.#folder, '.compile-cache');
  }

  /** Of one of its folders, in MB (10^6 bytes). */
  async megabytes(part: 'dist' | 'node_modules' | '.compile-cache'): Promise<number> {
    return (await bytesIn(join(this.#folder, part))) / 1e6;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Those that `npm ci --omit=dev` installs: of the lockfile all that are not marked as wanted for development alone. */
async function copyDependencies(folder: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
  const packages = lock.packages as Record<
    string,
    { dev?: boolean; devOptional?: boolean; optional?: boolean }
  >;
  for (const [path, { dev, devOptional }] of Object.entries(packages)) {
    if (path === '' || dev || devOptional) continue;
    const from = join(ROOT, path);
    if ((await stat(from).catch(() => undefined)) === undefined) continue;
    await mkdir(dirname(join(folder, path)), { recursive: true });
    const inner = join(from, 'node_modules');
    await cp(from, join(folder, path), { recursive: true, filter: (file) => !file.startsWith(inner) });
  }
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

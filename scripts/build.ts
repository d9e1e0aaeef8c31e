import { cpSync, readdirSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

/**
 * Builds `dist/`: the sources as a few files of JavaScript in place of a thousand, as a start spends more on finding and
 * opening files than on what they say. Dependencies are no part of it: they are loaded from `node_modules`, where
 * npm's audit and the image's bill of materials see them. Types are not checked here.
 *
 *   node build.ts [dist]
 */

const ROOT = resolve(import.meta.dirname, '..');
const SOURCES = join(ROOT, 'src');
/**
 * The folder of all files but the entry. Like each folder of `src/` it lies one below, so that `../../package.json` leads
 * to the same file from the sources and from here; and the data files are here too, for `./name` of whoever reads them.
 */
const PARTS = 'parts';

const [target = 'dist'] = process.argv.slice(2);
await bundle(resolve(target));
copyData(join(resolve(target), PARTS));

/** What is imported lazily stays in files of its own. @throws Error with what rolldown warns of */
async function bundle(folder: string): Promise<void> {
  await using build = await rolldown({
    cwd: ROOT,
    input: join(SOURCES, 'main.ts'),
    platform: 'node',
    tsconfig: false,
    external: (id, importer) => importer !== undefined && !id.startsWith('.') && !isAbsolute(id),
    onLog: (level, { message }) => {
      if (level === 'warn') throw new Error(message);
    },
  });
  await build.write({
    dir: folder,
    cleanDir: true,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: `${PARTS}/[name].js`,
    // Names are as in the sources, for the traces in logs.
    minify: false,
    comments: false,
  });
}

/** Puts what no import leads to, because it is read as a file, beside the code that reads it. */
function copyData(folder: string): void {
  for (const path of readdirSync(SOURCES, { recursive: true, encoding: 'utf8', withFileTypes: true })) {
    if (!path.isFile() || path.name.endsWith('.ts')) continue;
    cpSync(join(path.parentPath, path.name), join(folder, basename(path.name)), {
      force: false,
      errorOnExist: true,
    });
  }
}

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import ignore from '@balena/dockerignore';
import { entries, manifestOf, packagesOf } from '../../scripts/prune-dependencies.ts';
import { contextSources, finalStage, nodeFlags, stageSources } from './dockerfile.ts';
import { projectFile, ROOT } from './project.ts';

export interface ImageLayout {
  /** What the image has at /app. */
  app: string;
  /** The one folder that may be written, as /tmp in a read-only container. */
  tmp: string;
  /** Files of packages that could be imported before the dependencies were pruned, relative to `node_modules`. */
  entries: string[];
  remove(): void;
}

/**
 * Does without Docker what the Dockerfile does: builds from what reaches the builder, installs the production
 * dependencies alone, and puts together what its last stage copies. Takes ten to twenty seconds.
 */
export function buildImageLayout(): ImageLayout {
  const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-image-'));
  const at = (name: string) => join(folder, name);
  for (const name of ['build', 'dependencies', 'app', 'tmp']) mkdirSync(at(name));

  copyFromContext(stageSources('build'), at('build'));
  // The build stage's own `npm ci` has been run already where this test can run.
  symlinkSync(join(ROOT, 'node_modules'), at('build/node_modules'));
  npm(at('build'), 'run', 'build');

  copyFromContext(stageSources('dependencies'), at('dependencies'));
  npm(
    at('dependencies'),
    'ci',
    '--omit=dev',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
  );
  const installed = entryFiles(at('dependencies/node_modules'));
  node(at('dependencies'), 'scripts/prune-dependencies.ts', 'node_modules');

  renameSync(at('dependencies/node_modules'), at('app/node_modules'));
  renameSync(at('build/dist'), at('app/dist'));
  copyFromContext(contextSources(finalStage()), at('app'));
  const script = join(ROOT, 'scripts/make-compile-cache.ts');
  node(at('app'), ...nodeFlags(), script, 'dist/main.js', '.compile-cache');
  return {
    app: at('app'),
    tmp: at('tmp'),
    entries: installed,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The files that Node may begin at in each package, relative to `node_modules`. */
function entryFiles(modules: string): string[] {
  return packagesOf(modules).flatMap((folder) =>
    [...entries(manifestOf(folder))]
      .map((entry) => join(folder, entry))
      .filter((path) => /\.[cm]?js$/.test(path) && existsSync(path))
      .map((path) => relative(modules, path)),
  );
}

function copyFromContext(sources: string[], target: string): void {
  const ignored = ignore.default().add(projectFile('.dockerignore'));
  for (const source of sources) {
    cpSync(join(ROOT, source), join(target, source), {
      recursive: true,
      filter: (path) => !ignored.ignores(path.slice(ROOT.length + 1)),
    });
  }
}

const npm = (cwd: string, ...args: string[]) => run(cwd, 'npm', args);
const node = (cwd: string, ...args: string[]) => run(cwd, process.execPath, args);

function run(cwd: string, program: string, args: string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 120_000 });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
}

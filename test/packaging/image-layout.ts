import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ignore from '@balena/dockerignore';
import { contextSources, finalStage, stageSources } from './dockerfile.ts';
import { projectFile, ROOT } from './project.ts';

export interface ImageLayout {
  /** What the image has at /app. */
  app: string;
  /** The one folder that may be written, as /tmp in a read-only container. */
  tmp: string;
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

  renameSync(at('dependencies/node_modules'), at('app/node_modules'));
  renameSync(at('build/dist'), at('app/dist'));
  copyFromContext(contextSources(finalStage()), at('app'));
  return { app: at('app'), tmp: at('tmp'), remove: () => rmSync(folder, { recursive: true, force: true }) };
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

function npm(cwd: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd, encoding: 'utf8', timeout: 120_000 });
  if (status !== 0) throw new Error(`npm ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
}

import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectFile } from './project.ts';

interface LockedPackage {
  version: string;
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const { packages }: { packages: Record<string, LockedPackage> } = JSON.parse(
  projectFile('package-lock.json'),
);

describe('package-lock.json', () => {
  it('has the optional packages of every platform', () => {
    // npm leaves out those it could not fetch when the file was written, and `npm ci` then fails on every machine that
    // can, or can't, fetch them ("Missing: … from lock file").
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !isLocked(path, name)),
    );
    expect(missing).toEqual([]);
  });

  it('names no registry', () => {
    expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([]);
  });
});

/** Whether a package that another one asks for is in its folder or one above, as Node looks it up. */
function isLocked(path: string, name: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if (packages[folder === '.' ? `node_modules/${name}` : `${folder}/node_modules/${name}`]) return true;
    if (folder === '.') return false;
  }
}

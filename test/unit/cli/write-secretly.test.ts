import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CliError } from '../../../src/cli/failure.ts';
import { writeSecretly } from '../../../src/cli/write-secretly.ts';
import { folderWith } from '../../support/config-folder.ts';

// The disk's failures can't be had otherwise: root, as which containers test, writes wherever it likes.
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const wrapped = { renameSync: vi.fn(real.renameSync), writeFileSync: vi.fn(real.writeFileSync) };
  return { ...real, ...wrapped, accessSync: vi.fn(real.accessSync), fsyncSync: vi.fn(real.fsyncSync) };
});

beforeEach(() => {
  vi.clearAllMocks();
});

function failing(code: string): () => never {
  return () => {
    throw Object.assign(new Error('the disk'), { code });
  };
}

function failure(work: () => void): CliError {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('it was written');
}

const modeOf = (path: string): number => fs.statSync(path).mode & 0o777;

describe('writeSecretly', () => {
  it.each([
    ['the rename', () => vi.mocked(fs.renameSync).mockImplementationOnce(failing('EBUSY')), 'EBUSY'],
    [
      'the disk is full',
      () => vi.mocked(fs.writeFileSync).mockImplementationOnce(failing('ENOSPC')),
      'ENOSPC',
    ],
    ['the sync', () => vi.mocked(fs.fsyncSync).mockImplementationOnce(failing('EIO')), 'EIO'],
    ['read-only', () => vi.mocked(fs.accessSync).mockImplementationOnce(failing('EACCES')), 'EACCES'],
  ])('leaves the file as it was, and no draft, where it fails: %s', (_what, break_, code) => {
    const folder = folderWith({ file: 'old' });
    break_();
    const { message, fix } = failure(() => writeSecretly(join(folder, 'file'), 'new', 'what to do'));
    expect({ message, fix }).toEqual({
      message: `${join(folder, 'file')} can't be written (${code}).`,
      fix: 'what to do',
    });
    expect(fs.readdirSync(folder)).toEqual(['file']);
    expect(fs.readFileSync(join(folder, 'file'), 'utf8')).toBe('old');
  });

  it('syncs the draft before it takes the place of the file', () => {
    const folder = folderWith({ file: 'old' });
    writeSecretly(join(folder, 'file'), 'new', '');
    const [sync] = vi.mocked(fs.fsyncSync).mock.invocationCallOrder;
    const [rename] = vi.mocked(fs.renameSync).mock.invocationCallOrder;
    expect(sync).toBeLessThan(rename ?? 0);
    expect(fs.readFileSync(join(folder, 'file'), 'utf8')).toBe('new');
  });

  it.each([
    [0o644, 0o600],
    [0o640, 0o600],
    [0o600, 0o600],
    [0o777, 0o600],
  ])('keeps or tightens mode %o', (before, after) => {
    const file = join(folderWith({ file: 'old' }), 'file');
    fs.chmodSync(file, before);
    writeSecretly(file, 'new', '');
    expect(modeOf(file)).toBe(after);
  });

  it('writes through links, and leaves them links', () => {
    const [real, middle, folder] = [folderWith({ real: 'old' }), folderWith(), folderWith()];
    fs.symlinkSync(real, join(middle, '..data'));
    fs.symlinkSync(join(middle, '..data', 'real'), join(folder, 'file'));
    writeSecretly(join(folder, 'file'), 'new', '');
    expect(fs.lstatSync(join(folder, 'file')).isSymbolicLink()).toBe(true);
    expect(fs.readFileSync(join(real, 'real'), 'utf8')).toBe('new');
    expect([fs.readdirSync(real), fs.readdirSync(folder)]).toEqual([['real'], ['file']]);
  });

  it('leaves the file to its owner where root writes it', ({ skip }) => {
    skip(process.getuid?.() !== 0, 'only root gives files to others');
    const file = join(folderWith({ file: 'old' }), 'file');
    fs.chownSync(file, 1234, 1235);
    writeSecretly(file, 'new', '');
    const { uid, gid } = fs.statSync(file);
    expect({ uid, gid }).toEqual({ uid: 1234, gid: 1235 });
  });
});

import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { CacheFolder } from '../../../src/clusters/cache-folder.ts';
import { folderWith } from '../../support/config-folder.ts';
import { clusterConfig } from '../../support/engine-fixtures.ts';

function start(path: string | undefined) {
  const lines: { level: number; msg: string; folder: string }[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { sut: new CacheFolder(path, logger), lines };
}

const PROD = clusterConfig({ name: 'prod', endpoints: [{ host: 'pve1.example', port: 8006 }] });

test('is made for this user alone, and holds a folder per cluster and address', async () => {
  const root = join(folderWith(), 'a', 'b');
  const { sut, lines } = start(root);
  expect(await sut.of(PROD)).toBe(join(root, 'prod', 'pve1.example_8006'));
  const moved = clusterConfig({ name: 'prod', endpoints: [{ host: 'fe80::1', port: 8006 }] });
  expect(await sut.of(moved)).toBe(join(root, 'prod', 'fe80--1_8006'));
  expect(statSync(root).mode & 0o777).toBe(0o700);
  expect(statSync(join(root, '..')).mode & 0o777).toBe(0o700);
  expect(lines).toEqual([]);
});

test('where it can’t be made, nothing is kept, and that is said once', async () => {
  const folder = folderWith();
  writeFileSync(join(folder, 'file'), '');
  const { sut, lines } = start(join(folder, 'file', 'cache'));
  expect(await Promise.all([sut.of(PROD), sut.of(PROD)])).toEqual([undefined, undefined]);
  expect(lines).toMatchObject([{ level: 40, folder: join(folder, 'file', 'cache') }]);
});

test('one that can’t be written counts as none', async ({ skip }) => {
  skip(process.getuid?.() === 0, 'root may write anywhere');
  const folder = join(folderWith(), 'cache');
  mkdirSync(folder, { mode: 0o500 });
  const { sut, lines } = start(folder);
  expect(await sut.of(PROD)).toBeUndefined();
  expect(lines).toHaveLength(1);
});

test('without a folder nothing is said', async () => {
  const { sut, lines } = start(undefined);
  expect(await sut.of(PROD)).toBeUndefined();
  expect(lines).toEqual([]);
});

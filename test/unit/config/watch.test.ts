import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { FileWatch, type WatchOptions } from '../../../src/config/watch.ts';
import { folderWith } from '../../support/config-folder.ts';

/** Generous: the machine may be busy. Waiting ends as soon as it happened. */
const SOON = { timeout: 10_000, interval: 20 };

/** A watch on these files whose regular looks never come, unless they are asked for. */
async function watching(files: string[], options: Partial<WatchOptions> = {}) {
  const onChange = vi.fn<() => void>();
  const onProblem = vi.fn<(error: unknown) => void>();
  const sut = new FileWatch(files, { quietMs: 100, lookEveryMs: 3_600_000, ...options, onChange, onProblem });
  onTestFinished(() => sut.close());
  // The system's watch is in place some moments after the constructor; a change before that is found when it is.
  await sleep(300);
  return { sut, onChange, onProblem };
}

/** Long enough for an event to have been acted on. */
const settled = () => sleep(800);

describe('a watched file', () => {
  test('that is written to is told of', async () => {
    const folder = folderWith({ 'clusters.json': '1' });
    const file = join(folder, 'clusters.json');
    const { onChange } = await watching([file]);
    writeFileSync(file, '2');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledOnce(), SOON);
    writeFileSync(file, '3');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(2), SOON);
  });

  test('that is replaced by a rename, time and again, as editors do', async () => {
    const folder = folderWith({ 'clusters.json': '0' });
    const file = join(folder, 'clusters.json');
    const { onChange } = await watching([file]);
    for (const count of [1, 2, 3]) {
      writeFileSync(join(folder, '.clusters.json.swp'), String(count));
      renameSync(join(folder, '.clusters.json.swp'), file);
      await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(count), SOON);
    }
  });

  test('in a mounted ConfigMap, whose link is swapped time and again', async () => {
    const folder = folderWith();
    const publish = (version: string, content: string) => {
      mkdirSync(join(folder, `..${version}`));
      writeFileSync(join(folder, `..${version}`, 'clusters.json'), content);
      symlinkSync(`..${version}`, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    publish('2026_1', 'one');
    symlinkSync('..data/clusters.json', join(folder, 'clusters.json'));
    const { onChange, onProblem } = await watching([join(folder, 'clusters.json')]);
    for (const count of [1, 2, 3]) {
      publish(`2026_${count + 1}`, `content ${count}`);
      rmSync(join(folder, `..2026_${count}`), { recursive: true });
      await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(count), SOON);
      await settled();
    }
    expect(onChange).toHaveBeenCalledTimes(3);
    expect(onProblem).not.toHaveBeenCalled();
  });

  test('that leads to another folder by a link', async () => {
    const target = folderWith({ 'real.json': '1' });
    const folder = folderWith();
    symlinkSync(join(target, 'real.json'), join(folder, 'clusters.json'));
    const { onChange } = await watching([join(folder, 'clusters.json')]);
    writeFileSync(join(target, 'real.json'), '2');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledOnce(), SOON);
  });

  test('that is deleted and made anew', async () => {
    const folder = folderWith({ token: '1' });
    const file = join(folder, 'token');
    const { onChange } = await watching([file]);
    unlinkSync(file);
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledOnce(), SOON);
    writeFileSync(file, '1');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(2), SOON);
    writeFileSync(file, '2');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(3), SOON);
  });

  test('that appears later, with its folder', async () => {
    const folder = folderWith();
    const file = join(folder, 'secrets', 'token');
    const { onChange } = await watching([file]);
    mkdirSync(join(folder, 'secrets'));
    writeFileSync(file, '1');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledOnce(), SOON);
  });

  test('that is written in bursts is told of once', async () => {
    const folder = folderWith({ a: '0', b: '0' });
    const { onChange } = await watching([join(folder, 'a'), join(folder, 'b')], { quietMs: 500 });
    for (let count = 1; count <= 30; count++) {
      writeFileSync(join(folder, count % 2 ? 'a' : 'b'), String(count));
      await sleep(5);
    }
    await vi.waitFor(() => expect(onChange).toHaveBeenCalled(), SOON);
    await settled();
    expect(onChange).toHaveBeenCalledOnce();
  });

  test('that is written without an end is told of all the same', async () => {
    const folder = folderWith({ a: '0' });
    const { onChange, onProblem } = await watching([join(folder, 'a')], { quietMs: 2_000, mostMs: 500 });
    const writing = setInterval(() => writeFileSync(join(folder, 'a'), String(performance.now())), 20);
    onTestFinished(() => clearInterval(writing));
    await vi.waitFor(() => {
      expect(onProblem.mock.calls).toEqual([]);
      expect(onChange).toHaveBeenCalled();
    }, SOON);
  });

  test('that holds what it held, and other files of its folder, are not told of', async () => {
    const folder = folderWith({ 'clusters.json': '1', other: '1' });
    const file = join(folder, 'clusters.json');
    const { onChange } = await watching([file]);
    writeFileSync(file, '1');
    writeFileSync(join(folder, 'other'), '2');
    writeFileSync(join(folder, 'new'), '2');
    await settled();
    expect(onChange).not.toHaveBeenCalled();
  });

  test('is found changed by the regular look where no event comes', async () => {
    const folder = folderWith({ a: '1' });
    const { onChange } = await watching([join(folder, 'a')], { quietMs: 3_600_000, lookEveryMs: 50 });
    writeFileSync(join(folder, 'a'), '2');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledOnce(), SOON);
  });
});

describe('FileWatch', () => {
  test('follows other files once it is told to, and forgets the old ones', async () => {
    const [one, two] = [folderWith({ a: '1' }), folderWith({ b: '1' })];
    const { sut, onChange } = await watching([join(one, 'a')]);
    sut.follow([join(two, 'b')]);
    await sleep(300);
    writeFileSync(join(one, 'a'), '2');
    await settled();
    expect(onChange).not.toHaveBeenCalled();
    writeFileSync(join(two, 'b'), '2');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledOnce(), SOON);
  });

  test('tells nothing after it was closed', async () => {
    const folder = folderWith({ a: '1' });
    const { sut, onChange } = await watching([join(folder, 'a')]);
    await sut.close();
    writeFileSync(join(folder, 'a'), '2');
    await settled();
    expect(onChange).not.toHaveBeenCalled();
  });

  test('closes at once after it was made, and with no file at all', async () => {
    const folder = folderWith({ a: '1' });
    for (const files of [[join(folder, 'a')], []]) {
      const sut = new FileWatch(files, { onChange: vi.fn(), onProblem: vi.fn() });
      await sut.close();
    }
  });
});

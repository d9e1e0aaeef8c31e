import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { archivePath, archivesOf, nodeFiles } from '../../../src/audit/files.ts';
import { LineReader, linesOf, openRecord } from '../../../src/audit/lines.ts';
import { freshRecord } from '../../support/audit-record.ts';

describe('full files', () => {
  it('are named after their first line, and after how many have the name already', () => {
    expect(archivePath('/a/audit.jsonl', 17)).toBe('/a/audit-000000000017.jsonl');
    expect(archivePath('/a/audit', 17, 2)).toBe('/a/audit-000000000017-2');
  });

  it('are found in order, and nothing else is taken for one', async () => {
    const path = freshRecord();
    const folder = dirname(path);
    const names = [
      'audit-000000000010-2.jsonl',
      'audit-000000000002.jsonl',
      'audit-000000000010.jsonl',
      'audit-000000000010-1.jsonl',
      'audit-1000000000000.jsonl',
    ];
    const others = [
      'audit-2.jsonl',
      'audit-000000000003.txt',
      'audit-000000000003x.jsonl',
      'audit-x000000000003.jsonl',
      'audit-000000000003-12345.jsonl',
      'audit-12345678901234567.jsonl',
      'other-000000000003.jsonl',
      'audit.jsonl',
    ];
    for (const name of [...names, ...others]) writeFileSync(join(folder, name), '');
    expect(await archivesOf(path)).toEqual([
      { path: join(folder, 'audit-000000000002.jsonl'), firstSeq: 2, copy: 0 },
      { path: join(folder, 'audit-000000000010.jsonl'), firstSeq: 10, copy: 0 },
      { path: join(folder, 'audit-000000000010-1.jsonl'), firstSeq: 10, copy: 1 },
      { path: join(folder, 'audit-000000000010-2.jsonl'), firstSeq: 10, copy: 2 },
      { path: join(folder, 'audit-1000000000000.jsonl'), firstSeq: 1_000_000_000_000, copy: 0 },
    ]);
  });

  it('are none where there is no folder, and an error where it can not be read', async () => {
    const path = freshRecord();
    expect(await archivesOf(join(path, 'gone', 'audit.jsonl'))).toEqual([]);
    writeFileSync(path, '');
    await expect(archivesOf(join(path, 'audit.jsonl'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

describe('a file while it is written', () => {
  it('is made for its owner alone, appended to, cut, and known again', async () => {
    const path = join(dirname(freshRecord()), 'deep', 'er', 'audit.jsonl');
    expect(await nodeFiles.facts(path)).toBeUndefined();
    const file = await nodeFiles.open(path);
    await file.append(Buffer.from('one\n'));
    await file.append(Buffer.from('two\n'));
    await file.sync();
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    await file.truncate(4);
    const facts = await file.stat();
    expect(facts).toEqual({ identity: expect.stringMatching(/^\d+:\d+$/), size: 4 });
    expect(await nodeFiles.facts(path)).toEqual(facts);
    await file.close();
    await nodeFiles.rename(path, `${path}.old`);
    expect(await nodeFiles.facts(path)).toBeUndefined();
    expect((await nodeFiles.facts(`${path}.old`))?.identity).toBe(facts.identity);
    await expect(nodeFiles.facts(join(`${path}.old`, 'x'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await nodeFiles.syncFolder(dirname(path));
    await expect(nodeFiles.syncFolder(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('lines', () => {
  it('are read to the end of the file, and what is behind the last break is not finished', async () => {
    const path = freshRecord();
    writeFileSync(archivePath(path, 1), 'a\n\nb');
    writeFileSync(path, 'c\nd');
    const seen: string[] = [];
    const files = await openRecord(path);
    for await (const { file, line, bytes, finished } of linesOf(files))
      seen.push(`${file === path ? 'current' : 'full'}:${line} ${bytes} ${finished}`);
    await files.current?.handle.close();
    expect(seen).toEqual([
      'full:1 a true',
      'full:2  true',
      'full:3 b true',
      'current:1 c true',
      'current:2 d false',
    ]);
  });

  it('are read on where a file grows, from where one is told', async () => {
    const path = freshRecord();
    writeFileSync(path, 'one\ntw');
    const handle = await open(path, 'r');
    const reader = new LineReader(handle);
    expect((await reader.more())?.map(String)).toEqual(['one']);
    expect(String(reader.rest())).toBe('tw');
    expect(await reader.more()).toBeUndefined();
    writeFileSync(path, 'o\nthree\n', { flag: 'a' });
    expect((await reader.more())?.map(String)).toEqual(['two', 'three']);
    expect(String(reader.rest())).toBe('');
    expect((await new LineReader(handle, 4).more())?.map(String)).toEqual(['two', 'three']);
    await handle.close();
  });

  it('are those of no record where there is none', async () => {
    await expect(openRecord(freshRecord())).rejects.toMatchObject({
      code: 'ENOENT',
      message: 'there is no audit record',
    });
    const path = freshRecord();
    mkdirSync(path);
    await expect(openRecord(join(path, 'audit.jsonl'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

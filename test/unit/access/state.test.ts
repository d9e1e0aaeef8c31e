import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openState } from '../../../src/access/state.ts';
import { ConfigError } from '../../../src/config/problems.ts';
import { folderWith } from '../../support/config-folder.ts';

function opened(path: string | undefined) {
  const state = openState(path);
  onTestFinished(() => state.close());
  return state;
}

describe('openState', () => {
  it('makes file, journals and folder for its owner alone, whatever the umask says', () => {
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const path = join(folderWith(), 'deep', 'state.db');
    const { database } = opened(path);
    database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)');
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  });

  it('takes a file back from other users', () => {
    const path = join(folderWith(), 'state.db');
    opened(path).close();
    chmodSync(path, 0o644);
    opened(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('shares it between connections, and keeps it', () => {
    const path = join(folderWith(), 'state.db');
    const [one, other] = [opened(path), opened(path)];
    one.database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (7)');
    expect(other.database.prepare('SELECT x FROM t').get()).toEqual({ x: 7 });
    one.close();
    one.close();
    expect(opened(path).database.prepare('SELECT x FROM t').get()).toEqual({ x: 7 });
    expect(opened(undefined).isKept).toBe(false);
  });

  it('tells whether anybody has written: a connection of its own at once, this one too, and a write that failed', async () => {
    const path = join(folderWith(), 'state.db');
    const [one, other] = [opened(path), opened(path)];
    one.database.exec('CREATE TABLE t (x)');
    const insert = (database: DatabaseSync) => () => database.exec('INSERT INTO t VALUES (1)');
    const seen = [one.version()];
    expect([one.version(), one.lastVersion]).toEqual([seen[0], seen[0]]);
    await other.write(insert(other.database));
    expect(one.lastVersion).toBe(seen[0]);
    seen.push(one.version());
    expect(one.lastVersion).toBe(seen[1]);
    await one.write(insert(one.database));
    expect(one.lastVersion).not.toBe(seen[1]);
    seen.push(one.version());
    const failing = one.write(() => {
      insert(one.database)();
      seen.push(one.version());
      throw new Error('taken back');
    });
    await expect(failing).rejects.toThrow('taken back');
    seen.push(one.version());
    expect(new Set(seen).size).toBe(5);
    one.close();
    expect(() => one.version()).toThrow();
  });

  it.each<[string, (path: string) => void, RegExp]>([
    [
      'another program’s database',
      (path) => new DatabaseSync(path).exec('CREATE TABLE theirs (x)'),
      /another program/,
    ],
    [
      'another program’s mark',
      (path) => new DatabaseSync(path).exec('PRAGMA application_id = 77; CREATE TABLE theirs (x)'),
      /another program/,
    ],
    ['no database', (path) => writeFileSync(path, 'canary '.repeat(500)), /can't be opened \(file is not/],
    [
      'a newer version’s',
      (path) => {
        openState(path).close();
        new DatabaseSync(path).exec('PRAGMA user_version = 99');
      },
      /newer version/,
    ],
  ])('refuses %s, names STATE_FILE and leaves the file as it is', (_name, make, message) => {
    const path = join(folderWith(), 'state.db');
    make(path);
    const before = readFileSync(path);
    expect(() => openState(path)).toThrow(ConfigError);
    expect(() => openState(path)).toThrow(message);
    expect(() => openState(path)).toThrow(/STATE_FILE/);
    expect(readFileSync(path)).toEqual(before);
  });

  it('takes a mark without tables for another program’s, too', () => {
    const path = join(folderWith(), 'state.db');
    const theirs = new DatabaseSync(path);
    theirs.exec('PRAGMA application_id = 77');
    theirs.close();
    expect(() => openState(path)).toThrow(/another program/);
  });

  it('says whether it outlives the process; one that does not is nowhere on disk', () => {
    expect(opened(join(folderWith(), 'state.db')).isKept).toBe(true);
    expect(opened(undefined).isKept).toBe(false);
    expect(opened(undefined).database.location()).toBeNull();
  });

  it('says why a path can not be used', () => {
    expect(() => openState(folderWith())).toThrow(/EISDIR/);
    const file = join(folderWith({ file: 'x' }), 'file', 'state.db');
    expect(() => openState(file)).toThrow(/STATE_FILE.*(?:EEXIST|ENOTDIR)/);
    expect(existsSync(file)).toBe(false);
  });
});

describe('write', () => {
  it('takes all or nothing', async () => {
    const state = opened(undefined);
    state.database.exec('CREATE TABLE t (x UNIQUE)');
    const insert = () => state.database.exec('INSERT INTO t VALUES (1)');
    const twice = state.write(() => {
      insert();
      insert();
    });
    await expect(twice).rejects.toThrow(/UNIQUE/);
    expect(state.database.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: 0 });
    expect(await state.write(() => insert() ?? 'done')).toBe('done');
    // SQLite has rolled back by itself: that is what is told, and not that there is nothing to roll back.
    const rolledBack = state.write(() => {
      state.database.exec('ROLLBACK');
      throw new Error('mine');
    });
    await expect(rolledBack).rejects.toThrow('mine');
  });
});

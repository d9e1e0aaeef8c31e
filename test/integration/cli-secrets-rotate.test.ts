import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CANARY, ENTRY } from '../support/config-folder.ts';
import { offline, sealedFolder } from './secrets-folder.ts';

describe('secrets rotate', () => {
  it('writes nothing where one of the secrets can’t be opened', async () => {
    const folder = sealedFolder();
    const good = JSON.parse(folder.read()).clusters.prod.token_secret;
    const broken = folder.read().replace('{\n\t\t\t\t"env": "STAGING"\n\t\t\t}', JSON.stringify(good));
    expect(broken).not.toBe(folder.read());
    folder.write(broken);
    folder.makeKey('new.key');
    const { code, stderr } = await folder.run(
      'secrets rotate --key-file clusters.key --new-key-file new.key',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/was left as it is:\n {2}- staging, token_secret: was sealed for cluster "prod"/);
    expect(folder.read()).toBe(broken);
  });

  it('names the key that is needed, and refuses the present one as the new one', async () => {
    const folder = sealedFolder();
    const before = folder.read();
    folder.makeKey('new.key');
    folder.makeKey('other.key');
    const none = await folder.run('secrets rotate --new-key-file new.key');
    expect(none).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/are sealed with the key \w{8}: give/),
    });
    const wrong = await folder.run('secrets rotate --key-file other.key --new-key-file new.key');
    expect(wrong).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/sealed with the key \w{8}; other\.key/),
    });
    const same = await folder.run('secrets rotate --key-file clusters.key --new-key-file clusters.key');
    expect(same).toMatchObject({ code: 2, stderr: expect.stringContaining('holds the present key') });
    expect(folder.read()).toBe(before);
  });

  it('leaves what is plain plain, and names it; done twice, it changes nothing more', async () => {
    const folder = sealedFolder();
    const added = folder.read().replace(/\{\n\t+"env": "STAGING"\n\t+\}/, `"${CANARY}"`);
    folder.write(added);
    folder.makeKey('new.key');
    const rotate = 'secrets rotate --key-file clusters.key --new-key-file new.key';
    const { code, stdout } = await folder.run(rotate);
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Left plain, as it was: staging, token_secret.'),
    });
    const once = folder.read();
    expect(once).toContain(CANARY);
    expect(await folder.run(rotate)).toMatchObject({ code: 0, stdout: expect.stringContaining('already') });
    expect(folder.read()).toBe(once);
  });
});

describe('secrets open', () => {
  it('wants --yes where there is nobody to ask', async () => {
    const folder = sealedFolder();
    const before = folder.read();
    const { code, stderr } = await folder.run('secrets open --key-file clusters.key');
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') });
    expect(folder.read()).toBe(before);
  });

  it('opens nothing with another key', async () => {
    const folder = sealedFolder();
    const before = folder.read();
    const { code } = await folder.run('secrets open --yes', {
      CLUSTERS_KEY: randomBytes(32).toString('hex'),
    });
    expect(code).toBe(1);
    expect(folder.read()).toBe(before);
  });
});

describe('secrets status', () => {
  it('says how each is stored, and fails on demand where one is plain', async () => {
    const folder = offline({
      dr: { ...ENTRY, token_secret: { file: 'dr' } },
      odd: { ...ENTRY, token_secret: { sealed: 'x' } },
    });
    const plain = await folder.run('secrets status');
    expect(plain.code).toBe(0);
    expect(plain.stdout.split('\n')).toEqual([
      'prod     token_secret  plain text',
      'staging  token_secret  in the variable STAGING',
      'dr       token_secret  in the file dr',
      'odd      token_secret  sealed, and damaged: it can’t be opened',
      '',
    ]);
    expect((await folder.run('secrets status --require-sealed')).code).toBe(1);
  });

  it('is content with what is sealed, in JSON as well', async () => {
    const folder = sealedFolder();
    const { code, stdout } = await folder.run('secrets status --require-sealed --json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      file: join(folder.path, 'clusters.json'),
      sealed: true,
      secrets: [
        { cluster: 'prod', key: 'token_secret', state: 'sealed', key_id: expect.stringMatching(/^\w{8}$/) },
        { cluster: 'staging', key: 'token_secret', state: 'env', name: 'STAGING' },
      ],
    });
  });
});

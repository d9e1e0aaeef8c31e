import { chmodSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { CANARY } from '../support/config-folder.ts';
import { CliProcess } from './cli-process.ts';
import { offline, SecretsFolder, sealedFolder } from './secrets-folder.ts';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ authDelaySeconds: 0 });
});
afterAll(() => simulator.close());

const PASSWORD = 'CANARY pässwörd "of" 山\\n';
const modeOf = (...path: string[]): number => statSync(join(...path)).mode & 0o777;

function entryOf({ url, user, tokenId, tokenSecret, fingerprint }: SimulatedCluster): object {
  return { url, user, token_id: tokenId, token_secret: tokenSecret, fingerprint };
}

describe('secrets, from the first key to plain text again', () => {
  it('seals, works, rotates, refuses the old key, works with the new one, and opens', async () => {
    const [production, staging] = [simulator.cluster('production'), simulator.cluster('staging')];
    const hidden = [production.tokenSecret, staging.tokenSecret];
    const folder = new SecretsFolder({ production: entryOf(production), staging: entryOf(staging) }, hidden);
    const before = folder.read();
    const [old, fresh] = [{ CLUSTERS_KEY_FILE: 'old.key' }, { CLUSTERS_KEY_FILE: 'new.key' }];

    expect((await folder.run('secrets key old.key')).stdout).toMatch(/Wrote the key \w{8} to /);
    expect(modeOf(folder.path, 'old.key')).toBe(0o600);
    const sealed = await folder.run('secrets seal --key-file old.key');
    expect(sealed.stdout).toMatch(
      /Sealed 2 secrets .*\n {2}production, token_secret\n {2}staging, token_secret\n/,
    );
    expect(sealed.stdout).toContain(`CLUSTERS_KEY_FILE=${join(folder.path, 'old.key')}`);
    for (const secret of hidden) expect(folder.read()).not.toContain(secret);
    expect((await folder.run('check', old)).code).toBe(0);

    folder.makeKey('new.key');
    expect((await folder.run('secrets rotate --new-key-file new.key', old)).code).toBe(0);
    const refused = await folder.run('check', old);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /"production", token_secret: was sealed with the key \w{8}; CLUSTERS_KEY holds/,
    );
    expect((await folder.run('check', fresh)).code).toBe(0);

    expect((await folder.run('secrets open --yes', fresh)).code).toBe(0);
    expect(folder.read()).toBe(before);
    expect((await folder.run('check')).code).toBe(0);
    expect(readdirSync(folder.path).sort()).toEqual(['clusters.json', 'new.key', 'old.key']);
  });

  it('serves with sealed secrets, and logs none', async () => {
    const staging = simulator.cluster('staging');
    const folder = new SecretsFolder({ staging: entryOf(staging) }, [staging.tokenSecret]);
    folder.makeKey('clusters.key');
    await folder.run('secrets seal --key-file clusters.key');
    const env = { CLUSTERS_KEY: folder.read('clusters.key'), MCP_JWT_SECRET: 's'.repeat(40), MCP_PORT: '0' };
    const service = new CliProcess(['serve'], {
      cwd: folder.path,
      env: { ...env, LOG_LEVEL: 'trace' },
    });
    const [url] = await service.shows('stderr', /http:\/\/127\.0\.0\.1:\d+/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    folder.verify(await service.stop());
  });
});

describe('secrets seal', () => {
  it('says without a key how one is made, in lines that work as they are', async () => {
    const folder = offline();
    const { code, stderr } = await folder.run('secrets seal');
    expect(code).toBe(2);
    expect(folder.read()).toContain(CANARY);
    const lines = [...stderr.matchAll(/(secrets (?:key|seal) .*)/g)].map(([line]) => line);
    expect(lines).toHaveLength(2);
    for (const line of lines) expect((await folder.run(line)).code).toBe(0);
    expect(folder.read()).not.toContain(CANARY);
  });

  it('gets hints that work as they are, with a key in the service’s settings and without', async () => {
    const folder = offline();
    folder.makeKey('clusters.key');
    const hint = async (more = {}) =>
      /To seal what is plain: .*(secrets seal.*)/.exec(
        (await folder.run('secrets status', more)).stderr,
      )?.[1];
    expect(await hint()).toBe('secrets seal --key-file clusters.key');
    expect(await hint({ CLUSTERS_KEY: folder.read('clusters.key') })).toBe('secrets seal');
    const made = await folder.run('secrets key new.key');
    expect(made.stdout).toContain('secrets rotate --key-file OLD.key --new-key-file new.key');
  });

  it('leaves what is sealed and what stands elsewhere, and is content when run again', async () => {
    const folder = sealedFolder();
    const once = folder.read();
    expect(JSON.parse(once).clusters.staging.token_secret).toEqual({ env: 'STAGING' });
    const again = await folder.run('secrets seal --key-file clusters.key');
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to seal') });
    expect(folder.read()).toBe(once);
  });

  it('seals a password of any characters', async () => {
    const folder = new SecretsFolder({ prod: { url: 'pve1', user: 'root@pam', password: PASSWORD } });
    const before = folder.read();
    folder.makeKey('a.key');
    await folder.run('secrets seal --key-file a.key');
    expect(JSON.parse(folder.read()).clusters.prod.password).toEqual({
      sealed: expect.stringMatching(/^v1\./),
    });
    await folder.run('secrets open --yes --key-file a.key');
    expect(folder.read()).toBe(before);
  });

  it('does not mix two keys in one file, which no service could open', async () => {
    const folder = sealedFolder();
    const mixed = folder.read().replace('{ "sealed"', `"${CANARY}", "password": { "sealed"`);
    folder.write(mixed);
    folder.makeKey('other.key');
    const { code, stderr } = await folder.run('secrets seal --key-file other.key');
    expect(code).toBe(1);
    expect(stderr).toMatch(/holds secrets sealed with the key \w{8}, and this one is \w{8}/);
    expect(folder.read()).toBe(mixed);
  });

  it('tightens the mode, says so, and writes through a link', async () => {
    const folder = offline();
    folder.makeKey('a.key');
    chmodSync(join(folder.path, 'clusters.json'), 0o644);
    symlinkSync('clusters.json', join(folder.path, 'link.json'));
    const { code, stderr } = await folder.run('secrets seal --key-file a.key --file link.json');
    expect(code).toBe(0);
    expect(stderr).toContain('was 644; now its owner alone can read it');
    expect(modeOf(folder.path, 'clusters.json')).toBe(0o600);
    expect(readdirSync(folder.path).sort()).toEqual(['a.key', 'clusters.json', 'link.json']);
    expect(folder.read('link.json')).toContain('v1.');
  });

  it.each([
    ['secrets seal --file gone.json', /gone\.json can't be read \(ENOENT\)/],
    ['secrets seal --key-file gone.key', /gone\.key can't be read \(ENOENT\)[\s\S]*secrets key gone\.key/],
    ['secrets seal --key-file clusters.json', /key file clusters\.json must be 32 bytes/],
    ['secrets key clusters.json', /is there already, and was left as it is/],
    ['secrets key no/where.key', /can't be written \(ENOENT\)/],
  ])('%s is refused with what to do', async (command, message) => {
    const folder = offline();
    const before = folder.read();
    const { code, stderr } = await folder.run(command);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(message);
    expect(folder.read()).toBe(before);
  });
});

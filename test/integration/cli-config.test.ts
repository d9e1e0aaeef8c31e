import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CANARY, ENTRY, fileWith, folderWith } from '../support/config-folder.ts';
import { type Ended, runCli } from './cli-process.ts';

const DOT_ENV = [
  '# mine',
  `MCP_JWT_SECRET=${CANARY}${'s'.repeat(40)}`,
  'MCP_PORT=8123',
  'PROXMOX_CLUSTERS=production,disaster-recovery',
  'PROXMOX_CLUSTER_production_API_URL=pve1',
  'PROXMOX_CLUSTER_production_TOKEN_ID=ops@pve!mcp',
  `PROXMOX_CLUSTER_production_TOKEN_SECRET=${CANARY}`,
  'PROXMOX_CLUSTER_production_VERIFY=false',
  'PROXMOX_CLUSTER_disaster-recovery_API_URL=pve2',
  'PROXMOX_CLUSTER_disaster-recovery_USERNAME=root@pam',
  `PROXMOX_CLUSTER_disaster-recovery_PASSWORD=${CANARY}`,
  '',
].join('\n');

/** Runs a command of which nothing may hold a secret. */
async function config(args: string[], cwd: string, env: Record<string, string> = {}): Promise<Ended> {
  const ended = await runCli(['config', ...args], { cwd, env });
  expect(ended.stdout + ended.stderr).not.toContain(CANARY);
  return ended;
}

const textOf = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8');
const modeOf = (folder: string, name: string) => statSync(join(folder, name)).mode & 0o777;

describe('config show', () => {
  it('prints every value with its origin, and no secret', async () => {
    const { code, stdout, stderr } = await config(['show'], folderWith({ '.env': DOT_ENV }));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(
      'production         verify_ssl    false      .env (PROXMOX_CLUSTER_production_VERIFY)\n',
    );
    expect(stdout).toContain(
      'disaster-recovery  password      set        .env (PROXMOX_CLUSTER_disaster-recovery_PASSWORD)\n',
    );
    expect(stdout).toMatch(/^MCP_PORT +8123 +\.env \(MCP_PORT\)$/m);
    expect(stdout).toMatch(/Warnings\n {2}cluster "production": verify_ssl is false/);
    expect(stdout).not.toContain('\x1b');
  });

  it('prints the same for machines', async () => {
    const { stdout } = await config(['show', '--json'], folderWith({ '.env': DOT_ENV }));
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const shown = JSON.parse(stdout);
    expect(shown).toMatchObject({ ok: true, warnings: [expect.any(String)] });
    expect(shown.clusters.map(({ name }: { name: string }) => name)).toEqual([
      'production',
      'disaster-recovery',
    ]);
  });

  it('needs no setting of authentication', async () => {
    const { code, stdout } = await config(['show'], folderWith({ 'clusters.json': fileWith() }));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^MCP_JWT_SECRET +not set +default$/m);
    expect(stdout).toContain('MCP_JWT_SECRET is not set: `serve` needs it');
  });

  it('of a configuration that can’t be used says why, with exit code 2', async () => {
    const folder = folderWith({ '.env': DOT_ENV.replace('=pve1', `=https://x:${CANARY}@pve1`) });
    const { code, stdout, stderr } = await config(['show', '--json'], folder);
    expect(code).toBe(2);
    expect(stderr).toContain('PROXMOX_CLUSTER_production_API_URL: must not hold a user or a password');
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, problems: [{ cluster: 'production' }] });
  });
});

describe('config migrate', () => {
  it('writes clusters.json from .env, mode 600, and says what to do next', async () => {
    const folder = folderWith({ '.env': DOT_ENV });
    const { code, stdout, stderr } = await config(['migrate', '--to', 'json'], folder);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(textOf(folder, 'clusters.json'))).toEqual({
      default_cluster: 'production',
      clusters: {
        production: { url: 'pve1', token_id: 'ops@pve!mcp', token_secret: CANARY, verify_ssl: false },
        'disaster-recovery': { url: 'pve2', user: 'root@pam', password: CANARY },
      },
    });
    expect(modeOf(folder, 'clusters.json')).toBe(0o600);
    expect(stdout).toMatch(/Delete from \.env what counts no longer:\n {4}PROXMOX_CLUSTERS\n {4}PROXMOX_/);
    expect(stdout).not.toContain('MCP_');
    expect(textOf(folder, '.env')).toBe(DOT_ENV);
    expect(readdirSync(folder).toSorted()).toEqual(['.env', 'clusters.json']);
  });

  it('never writes over a file without --force', async () => {
    const folder = folderWith({ '.env': DOT_ENV, 'clusters.json': '{"mine":1}' });
    const { code, stderr } = await config(['migrate', '--to', 'json'], folder);
    expect(code).toBe(1);
    expect(stderr).toContain('is there already; nothing was written');
    expect(textOf(folder, 'clusters.json')).toBe('{"mine":1}');
    expect((await config(['migrate', '--to', 'json', '--force'], folder)).code).toBe(0);
    expect(textOf(folder, 'clusters.json')).toContain('"production"');
  });

  it('writes secrets into files of their own, and over none of these either', async () => {
    const folder = folderWith({ '.env': DOT_ENV });
    const args = ['migrate', '--to', 'json', '--secrets', 'file', '--output', 'other.json'];
    const { code, stdout } = await config(args, folder);
    expect(code).toBe(0);
    expect(stdout).toContain(`CLUSTERS_FILE=${join(folder, 'other.json')}`);
    expect(textOf(folder, 'other.json')).not.toContain(CANARY);
    expect(textOf(folder, 'secrets/production_token_secret')).toBe(`${CANARY}\n`);
    expect(modeOf(folder, 'secrets/disaster-recovery_password')).toBe(0o600);
    const again = await config([...args.slice(0, -1), 'third.json'], folder);
    expect(again.code).toBe(1);
    expect(existsSync(join(folder, 'third.json'))).toBe(false);
    const shown = await config(['show'], folder, { CLUSTERS_FILE: 'other.json' });
    const secret = join(folder, 'secrets/production_token_secret');
    expect(shown.stdout.replace(/ +/g, ' ')).toContain(` token_secret set ${secret}\n`);
  });

  it('puts clusters into .env beside the other lines', async () => {
    const own = '# mine\nMCP_PORT=8123 # why\n';
    const folder = folderWith({
      'clusters.json': fileWith({ verify_ssl: false, region: 'a b' }),
      '.env': own,
    });
    const { code, stdout } = await config(['migrate', '--to', 'env'], folder);
    expect(code).toBe(0);
    expect(textOf(folder, '.env').startsWith(own)).toBe(true);
    expect(textOf(folder, '.env')).toContain("\nPROXMOX_CLUSTER_prod_REGION='a b'\n");
    expect(modeOf(folder, '.env')).toBe(0o600);
    expect(stdout).toContain(`Move ${join(folder, 'clusters.json')} away`);
  });

  it('replaces clusters of .env with --force alone', async () => {
    const folder = folderWith({ 'clusters.json': fileWith(), '.env': DOT_ENV });
    const { code, stderr } = await config(['migrate', '--to', 'env'], folder);
    expect(code).toBe(1);
    expect(stderr).toContain('describes clusters already');
    expect(textOf(folder, '.env')).toBe(DOT_ENV);
    expect((await config(['migrate', '--to', 'env', '--force'], folder)).code).toBe(0);
    const after = textOf(folder, '.env');
    expect(after).toContain('# mine\n');
    expect(after).toContain('MCP_PORT=8123\n');
    expect(after).toContain('PROXMOX_CLUSTERS=prod\n');
    expect(after).not.toContain('production');
  });

  it('a sealed secret is not unsealed unasked', async () => {
    const folder = folderWith({ 'clusters.json': { clusters: { a: ENTRY, b: ENTRY } } });
    expect((await runCli(['secrets', 'key', 'k'], { cwd: folder })).code).toBe(0);
    expect((await runCli(['secrets', 'seal', '--key-file', 'k'], { cwd: folder })).code).toBe(0);
    const key = { CLUSTERS_KEY_FILE: 'k' };
    expect((await config(['show'], folder, key)).stdout).toMatch(
      /^a {2}token_secret +sealed +clusters\.json$/m,
    );
    const refused = await config(['migrate', '--to', 'env'], folder, key);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(
      'cluster "a", token_secret: is sealed, and variables hold no sealed secrets',
    );
    expect(existsSync(join(folder, '.env'))).toBe(false);
    expect((await config(['migrate', '--to', 'env', '--secrets', 'inline'], folder, key)).code).toBe(0);
    expect(textOf(folder, '.env')).toContain(`PROXMOX_CLUSTER_b_TOKEN_SECRET=${CANARY}\n`);
  });

  it.each([
    ['no clusters', ['--to', 'json'], {}, 'no PROXMOX_… variable describes a cluster'],
    ['no clusters.json', ['--to', 'env'], {}, 'ENOENT'],
    ['a wrong form', ['--to', 'yaml'], {}, 'must be json or env'],
    ['no form', [], {}, '--to'],
    [
      'secrets that go nowhere',
      ['--to', 'env', '--secrets', 'env'],
      { 'clusters.json': fileWith() },
      '--to json',
    ],
    [
      'a broken variable',
      ['--to', 'json'],
      { '.env': `${DOT_ENV}PROXMOX_CLUSTER_production_TIRE=${CANARY}` },
      'TIRE',
    ],
    ['a broken file', ['--to', 'env'], { 'clusters.json': fileWith({ tokn: CANARY }) }, 'tokn'],
  ])('%s: exit code 2, and nothing is written', async (_title, args, files, message) => {
    const folder = folderWith(files);
    const { code, stdout, stderr } = await config(['migrate', ...args], folder);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(readdirSync(folder).toSorted()).toEqual(Object.keys(files).toSorted());
  });

  it('leaves no secret behind where the file itself can’t be written', async () => {
    const folder = folderWith({ '.env': DOT_ENV });
    mkdirSync(join(folder, 'c.json'));
    const args = ['migrate', '--to', 'json', '--secrets', 'file', '--output', 'c.json', '--force'];
    const { code, stderr } = await config(args, folder);
    expect(code).toBe(1);
    expect(stderr).toContain("can't be written");
    expect(readdirSync(join(folder, 'secrets'))).toEqual([]);
  });
});

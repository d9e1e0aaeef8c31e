import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadAuth, loadConfig } from '../../../src/config/load.ts';
import { CANARY, fileWith, folderWith, load, refusal } from '../../support/config-folder.ts';

const FILES = { 'clusters.json': fileWith() };
const SECRET = `${CANARY}${'x'.repeat(16)}`;

function service(env: Record<string, string>) {
  return load({ files: FILES, env: { MCP_JWT_SECRET: SECRET, ...env }, needsAuth: true });
}

function problemField(env: Record<string, string>): string {
  const { problems } = refusal({ files: FILES, env, needsAuth: true });
  expect(problems).toHaveLength(1);
  return `${problems[0]?.field}: ${problems[0]?.message}`;
}

describe('the HTTP settings', () => {
  test('defaults', () => {
    expect(service({})).toMatchObject({
      http: {
        host: '127.0.0.1',
        port: 8000,
        allowedHosts: ['localhost:*', '127.0.0.1:*', '[::1]:*'],
        allowedOrigins: [],
        trustedProxies: [],
        limits: { perAddress: 1200, perPrincipal: 600, failedLogins: 60 },
      },
      readOnly: false,
      logLevel: 'info',
      warnings: [],
    });
  });

  test('all given', () => {
    const { http, readOnly, logLevel } = service({
      MCP_HOST: '0.0.0.0',
      MCP_PORT: '0',
      MCP_PUBLIC_URL: 'https://mcp.example.org:8443/',
      MCP_ALLOWED_ORIGINS: 'https://app.example.org, http://localhost:5173/',
      MCP_TRUSTED_PROXIES: '10.0.0.5, 172.16.0.0/12, FD00::/8,loopback',
      MCP_RATE_LIMIT_PER_ADDRESS: '0',
      MCP_RATE_LIMIT_PER_PRINCIPAL: '1',
      MCP_FAILED_LOGINS_PER_MINUTE: '1000000',
      MCP_READ_ONLY: 'Yes',
      LOG_LEVEL: 'DEBUG',
    });
    expect(http).toEqual({
      host: '0.0.0.0',
      port: 0,
      publicUrl: 'https://mcp.example.org:8443',
      allowedHosts: ['localhost:*', '127.0.0.1:*', '[::1]:*', 'mcp.example.org:8443'],
      allowedOrigins: ['https://app.example.org', 'http://localhost:5173'],
      trustedProxies: ['10.0.0.5', '172.16.0.0/12', 'fd00::/8', 'loopback'],
      limits: { perAddress: 0, perPrincipal: 1, failedLogins: 1_000_000 },
    });
    expect([readOnly, logLevel]).toEqual([true, 'debug']);
  });

  test('MCP_ALLOWED_HOSTS takes the place of the defaults', () => {
    const hosts = 'mcp.example.org,*.example.com,[::1]:8000,host:*,h:1';
    expect(service({ MCP_ALLOWED_HOSTS: hosts }).http.allowedHosts).toEqual(hosts.split(','));
  });

  test('bound to all addresses without a name: a warning', () => {
    expect(service({ MCP_HOST: '0.0.0.0' }).warnings.join()).toContain('MCP_ALLOWED_HOSTS');
  });

  test('warns of a public address without tokens', () => {
    const warned = service({ MCP_AUTH: 'none', MCP_PUBLIC_URL: 'https://mcp.example.org' });
    expect(warned.warnings.join()).toContain('needs no token');
  });

  test.each([
    ['MCP_PORT', '65536'],
    ['MCP_PORT', '-1'],
    ['MCP_PORT', '8e3'],
    ['MCP_PUBLIC_URL', 'mcp.example.org'],
    ['MCP_PUBLIC_URL', 'https://u:p@mcp.example.org'],
    ['MCP_PUBLIC_URL', 'https://mcp.example.org/?x'],
    ['MCP_ALLOWED_HOSTS', 'https://x'],
    ['MCP_ALLOWED_HOSTS', '*'],
    ['MCP_ALLOWED_ORIGINS', '*'],
    ['MCP_ALLOWED_ORIGINS', 'https://x/path'],
    ['MCP_TRUSTED_PROXIES', '0.0.0.0/0'],
    ['MCP_TRUSTED_PROXIES', '::/0'],
    ['MCP_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['MCP_TRUSTED_PROXIES', '10.0.0.0/255.0.0.0'],
    ['MCP_TRUSTED_PROXIES', 'proxy.example.org'],
    ['MCP_TRUSTED_PROXIES', 'true'],
    ['MCP_TRUSTED_PROXIES', '*'],
    ['MCP_RATE_LIMIT_PER_ADDRESS', '-1'],
    ['MCP_RATE_LIMIT_PER_PRINCIPAL', 'many'],
    ['MCP_FAILED_LOGINS_PER_MINUTE', '1000001'],
    ['MCP_READ_ONLY', 'maybe'],
    ['LOG_LEVEL', 'loud'],
    ['MCP_AUTH', 'basic'],
  ])('%s=%s is refused', (name, value) => {
    expect(problemField({ MCP_JWT_SECRET: SECRET, [name]: value })).toContain(name);
  });
});

describe('the cache folder', () => {
  const cacheDir = (env: Record<string, string>) => load({ files: FILES, env }).cacheDir;

  test.each([
    ['named', { CACHE_DIR: '/var/cache/x', XDG_CACHE_HOME: '/xdg', HOME: '/home/x' }, '/var/cache/x'],
    ['of the user, by XDG', { XDG_CACHE_HOME: '/xdg', HOME: '/home/x' }, '/xdg/proxmox-mcp'],
    ['of the user', { HOME: '/home/x' }, '/home/x/.cache/proxmox-mcp'],
    [
      'of the user, where XDG is not absolute',
      { XDG_CACHE_HOME: 'xdg', HOME: '/home/x' },
      '/home/x/.cache/proxmox-mcp',
    ],
    [
      'of the user, where they are empty',
      { CACHE_DIR: '', XDG_CACHE_HOME: '', HOME: '/h' },
      '/h/.cache/proxmox-mcp',
    ],
  ])('%s', (_title, env, path) => {
    expect(cacheDir(env)).toBe(path);
  });

  test('without a home in the environment, that of the user’s account', () => {
    expect(cacheDir({})).toBe(join(homedir(), '.cache', 'proxmox-mcp'));
  });

  test('a relative one starts from the working directory, and nothing is made', () => {
    const folder = folderWith(FILES);
    const config = loadConfig({ env: { CACHE_DIR: 'cache' }, cwd: folder, needsAuth: false });
    expect(config.cacheDir).toBe(join(folder, 'cache'));
    expect(existsSync(join(folder, 'cache'))).toBe(false);
  });

  test.each([
    ['a home that no shell fills in', '~/cache', 'must not begin with ~'],
    ['a file', 'clusters.json', 'must be a folder'],
  ])('%s is refused', (_title, path, text) => {
    const { problems } = refusal({ files: FILES, env: { CACHE_DIR: path } });
    expect(problems).toMatchObject([{ field: 'CACHE_DIR', message: expect.stringContaining(text) }]);
  });
});

describe('the authentication settings', () => {
  test('a shared secret', () => {
    const { auth } = service({});
    expect(auth).toMatchObject({ mode: 'shared-secret', audience: 'proxmox-mcp' });
    expect(JSON.stringify(auth)).not.toContain(CANARY);
    expect(auth.mode === 'shared-secret' && auth.secret.reveal()).toBe(SECRET);
  });

  test('a shared secret from a mounted file', () => {
    const config = load({
      files: { ...FILES, jwt: `${SECRET}\n` },
      env: { MCP_JWT_SECRET_FILE: 'jwt' },
      needsAuth: true,
    });
    expect(config.auth.mode === 'shared-secret' && config.auth.secret.reveal()).toBe(SECRET);
  });

  test('a key set', () => {
    const env = {
      MCP_JWKS_URL: 'https://id.example.org/keys',
      MCP_JWT_ISSUER: 'https://id.example.org',
      MCP_JWT_AUDIENCE: 'us',
    };
    expect(load({ files: FILES, env, needsAuth: true }).auth).toEqual({
      mode: 'jwks',
      jwksUrl: 'https://id.example.org/keys',
      issuer: 'https://id.example.org',
      audience: 'us',
    });
  });

  test('the claim of the groups, with a key set and with a secret', () => {
    const env = { MCP_JWT_SECRET: SECRET, MCP_JWT_GROUPS_CLAIM: 'realm_access.roles' };
    expect(load({ files: FILES, env, needsAuth: true }).auth).toMatchObject({
      groupsClaim: 'realm_access.roles',
    });
  });

  test('keys of its own, with a state file and nothing else', () => {
    const config = load({ files: FILES, env: { STATE_FILE: 'state.db' }, needsAuth: true });
    expect(config.auth).toEqual({ mode: 'own-keys', audience: 'proxmox-mcp' });
    expect(config.stateFile).toMatch(/^\/.*\/state\.db$/);
    const env = { STATE_FILE: '/var/lib/state.db', MCP_JWT_SECRET: SECRET };
    const beside = load({ files: FILES, env, needsAuth: true });
    expect(beside.auth.mode).toBe('shared-secret');
    expect(beside.stateFile).toBe('/var/lib/state.db');
  });

  test('none, on loopback', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) {
      const env = { MCP_AUTH: 'none', MCP_HOST: host };
      expect(load({ files: FILES, env, needsAuth: true }).auth).toEqual({ mode: 'none' });
    }
  });

  test.each([
    [
      'none on all addresses',
      { MCP_AUTH: 'none', MCP_HOST: '0.0.0.0', MCP_PUBLIC_URL: 'https://x' },
      'MCP_AUTH',
    ],
    [
      'none on a name like loopback',
      { MCP_AUTH: 'none', MCP_HOST: '127.0.0.1.evil', MCP_PUBLIC_URL: 'https://x' },
      'MCP_AUTH',
    ],
    ['neither secret nor key set', {}, 'openssl rand'],
    ['both', { MCP_JWT_SECRET: SECRET, MCP_JWKS_URL: 'https://x', MCP_JWT_ISSUER: 'x' }, 'MCP_JWKS_URL'],
    ['a short secret', { MCP_JWT_SECRET: CANARY }, 'openssl rand'],
    ['a secret file that is not there', { MCP_JWT_SECRET_FILE: 'gone' }, 'ENOENT'],
    ['an empty secret file', { MCP_JWT_SECRET_FILE: 'clusters.json', MCP_JWT_SECRET: SECRET }, 'set twice'],
    ['keys over http', { MCP_JWKS_URL: 'http://id.example.org/keys', MCP_JWT_ISSUER: 'x' }, 'MCP_JWKS_URL'],
    ['a state file below ~', { MCP_JWT_SECRET: SECRET, STATE_FILE: '~/state.db' }, 'STATE_FILE'],
    ['a claim with a blank', { MCP_JWT_SECRET: SECRET, MCP_JWT_GROUPS_CLAIM: 'a b' }, 'MCP_JWT_GROUPS_CLAIM'],
    [
      'a broken secret file beside a state file',
      { MCP_JWT_SECRET_FILE: 'gone', STATE_FILE: 'state.db' },
      'ENOENT',
    ],
    ['keys without an issuer', { MCP_JWKS_URL: 'https://id.example.org/keys' }, 'MCP_JWT_ISSUER'],
  ])('%s is refused', (_title, env, text) => {
    expect(problemField(env)).toContain(text);
  });

  test('keys over http are accepted on loopback', () => {
    const env = { MCP_JWKS_URL: 'http://[::1]:9000/keys', MCP_JWT_ISSUER: 'x' };
    expect(load({ files: FILES, env, needsAuth: true }).auth.mode).toBe('jwks');
  });
});

test('loadAuth needs no cluster', () => {
  const cwd = folderWith({ '.env': `MCP_JWT_SECRET=${SECRET}` });
  expect(loadAuth({ env: {}, cwd }).mode).toBe('shared-secret');
  expect(() => loadAuth({ env: { MCP_JWT_SECRET: 'short' }, cwd })).toThrow('MCP_JWT_SECRET');
});

describe('the clients of clusters', () => {
  test('defaults, and what is given', () => {
    expect(service({})).toMatchObject({ clusterTtlSeconds: 3600, clusterValidation: true });
    const given = { CLUSTER_TTL_SECONDS: ' 60 ', CLUSTER_VALIDATION: 'no' };
    expect(service(given)).toMatchObject({ clusterTtlSeconds: 60, clusterValidation: false });
    expect(service({ CLUSTER_TTL_SECONDS: '2592000' }).clusterTtlSeconds).toBe(2_592_000);
  });

  test.each(['0', '-1', '1.5', '2592001', '1e3', 'x', '0x10', '9'.repeat(400)])('no %s seconds', (value) => {
    expect(problemField({ MCP_JWT_SECRET: SECRET, CLUSTER_TTL_SECONDS: value })).toMatch(
      /^CLUSTER_TTL_SECONDS: must be a whole number from 1 to 2592000$/,
    );
  });

  test('CLUSTER_VALIDATION is true or false', () => {
    expect(problemField({ MCP_JWT_SECRET: SECRET, CLUSTER_VALIDATION: 'maybe' })).toContain('true or false');
  });

  test('misspelt ones are named, those of other programs are not', () => {
    const env = { CLUSTER_TTL: '1', CLUSTER_VALIDATE: 'no', CLUSTERS_FIEL: 'x', CLUSTER_NAME: 'k8s' };
    expect(service(env).warnings).toEqual([
      'CLUSTER_TTL is not a setting of this service: did you mean CLUSTER_TTL_SECONDS?',
      'CLUSTER_VALIDATE is not a setting of this service: did you mean CLUSTER_VALIDATION?',
      'CLUSTERS_FIEL is not a setting of this service: did you mean CLUSTERS_FILE?',
    ]);
  });
});

describe('the files of a configuration', () => {
  const SINGLE = { PROXMOX_API_URL: 'pve1', PROXMOX_TOKEN_ID: 'ops@pve!mcp' };

  test('all that were read, and those that would be', () => {
    const folder = folderWith({
      'clusters.json': fileWith({ token_secret: { file: 'secrets' } }),
      secrets: CANARY,
      jwt: SECRET,
    });
    const { files } = loadConfig({ env: { MCP_JWT_SECRET_FILE: 'jwt' }, cwd: folder });
    expect(files.toSorted()).toEqual(
      ['.env', 'clusters.json', 'jwt', 'secrets'].map((name) => join(folder, name)),
    );
  });

  test('clusters.json counts as soon as it is there', () => {
    const folder = folderWith({ secret: CANARY });
    const env = { ...SINGLE, PROXMOX_TOKEN_SECRET_FILE: 'secret' };
    const { files } = loadConfig({ env, cwd: folder, needsAuth: false });
    expect(files.toSorted()).toEqual(['.env', 'clusters.json', 'secret'].map((name) => join(folder, name)));
  });

  test('a refused configuration names them too: one that is missing may come', () => {
    const { files } = refusal({ env: { ...SINGLE, PROXMOX_TOKEN_SECRET_FILE: '/gone/secret' } });
    expect(files).toContain('/gone/secret');
  });
});

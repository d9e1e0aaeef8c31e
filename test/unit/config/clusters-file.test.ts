import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { makeCertificate } from '../../../src/simulator/certificate.ts';
import { CANARY, ENTRY, fileWith, folderWith, load, refusal } from '../../support/config-folder.ts';

const SHA256 = Array.from({ length: 32 }, (_, index) => (index + 16).toString(16)).join(':');

function loadOne(changes: Record<string, unknown>, more: Record<string, string> = {}) {
  const [cluster] = load({ files: { 'clusters.json': fileWith(changes), ...more } }).clusters;
  if (cluster === undefined) throw new Error('no cluster');
  return cluster;
}

function problemsOf(changes: Record<string, unknown>, top: Record<string, unknown> = {}) {
  return refusal({ files: { 'clusters.json': fileWith(changes, top) } }).problems;
}

describe('clusters.json', () => {
  test('a cluster with a token', () => {
    const config = load({ files: { 'clusters.json': fileWith() } });
    expect(config.defaultCluster).toBe('prod');
    expect(config.warnings).toEqual([]);
    expect(config.clusters).toMatchObject([
      {
        name: 'prod',
        endpoints: [{ host: 'pve1', port: 8006 }],
        credentials: { kind: 'token', user: 'ops@pve', tokenId: 'mcp' },
        tls: { verify: true },
        readOnly: false,
        validate: true,
      },
    ]);
    expect(JSON.stringify(config)).not.toContain(CANARY);
  });

  test('every key', async () => {
    const { pem } = await makeCertificate('test', '127.0.0.1');
    const changes = {
      endpoints: ['pve2', { url: 'pve3:8007', fingerprint: SHA256 }, 'pve1:8006'],
      token_id: 'ops@pve!mcp',
      fingerprint: SHA256.replaceAll(':', '').toLowerCase(),
      ca_file: 'ca.pem',
      default_node: 'n',
      default_storage: 's',
      default_bridge: 'b',
      region: 'eu',
      tier: 'gold',
      read_only: true,
      validate: false,
    };
    const cluster = loadOne(changes, { 'ca.pem': pem });
    expect(cluster).toMatchObject({
      endpoints: [
        { host: 'pve1', port: 8006 },
        { host: 'pve2', port: 8006 },
        { host: 'pve3', port: 8007, fingerprint: SHA256.toUpperCase() },
      ],
      credentials: { user: 'ops@pve', tokenId: 'mcp' },
      tls: { verify: true, fingerprint: SHA256.toUpperCase() },
      defaultNode: 'n',
      defaultStorage: 's',
      defaultBridge: 'b',
      region: 'eu',
      tier: 'gold',
      readOnly: true,
      validate: false,
    });
    expect(cluster.endpoints).toHaveLength(3);
    expect(cluster.tls.ca).toContain('BEGIN CERTIFICATE');
  });

  test('a password in place of a token', () => {
    const cluster = loadOne({ token_id: undefined, token_secret: undefined, password: CANARY });
    expect(cluster.credentials).toMatchObject({ kind: 'password', user: 'ops@pve' });
  });

  test('secrets from a variable and from a file beside clusters.json', () => {
    const folder = folderWith({ 'clusters.json': fileWith({ token_secret: { env: 'PVE_SECRET' } }) });
    const fromEnv = loadConfig({ env: { PVE_SECRET: CANARY }, cwd: folder, needsAuth: false }).clusters[0];
    const fromFile = loadOne({ token_secret: { file: 'secret' } }, { secret: `${CANARY}\n` });
    for (const cluster of [fromEnv, fromFile]) {
      expect(cluster?.credentials.kind === 'token' && cluster.credentials.secret.reveal()).toBe(CANARY);
    }
  });

  test('names with dashes, dots, upper case and digits', () => {
    const names = ['disaster-recovery', 'Prod.EU-1', '7'];
    const clusters = Object.fromEntries(names.map((name) => [name, ENTRY]));
    const config = load({ files: { 'clusters.json': { clusters, default_cluster: 'Prod.EU-1' } } });
    expect(config.clusters.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    expect(config.defaultCluster).toBe('Prod.EU-1');
  });

  test('several clusters without default_cluster have no default', () => {
    const config = load({ files: { 'clusters.json': { clusters: { a: ENTRY, b: ENTRY } } } });
    expect(config.defaultCluster).toBeUndefined();
  });

  test('what selects a cluster: patterns of both places, VMIDs, a fallback', () => {
    const config = load({
      files: {
        'clusters.json': {
          clusters: {
            a: { ...ENTRY, patterns: ['a-*', 'prod-'], vmids: ['100-199', 300], fallback: 'b' },
            b: { ...ENTRY, patterns: 'b-', vmids: 200 },
          },
          patterns: { 'prod-': 'a', '/^x{1,2}:?$/': 'b' },
        },
      },
    });
    expect(config.warnings).toEqual([]);
    expect(config.clusters).toMatchObject([
      {
        patterns: ['prod-', 'a-*'],
        vmids: [
          { from: 100, to: 199 },
          { from: 300, to: 300 },
        ],
        fallback: 'b',
      },
      { patterns: ['/^x{1,2}:?$/', 'b-'], vmids: [{ from: 200, to: 200 }] },
    ]);
    expect(config.clusters[1]).not.toHaveProperty('fallback');
  });

  test.each([
    [
      'a pattern',
      { patterns: 'x-' },
      { patterns: ['y', 'X-'] },
      'patterns',
      '"X-" stands in cluster "a" too',
    ],
    [
      'VMIDs',
      { vmids: '100-300' },
      { vmids: [150, '299-400'] },
      'vmids',
      '150, 299-300 lies in cluster "a" too',
    ],
  ])('%s that two clusters claim', (_title, a, b, field, message) => {
    const clusters = { a: { ...ENTRY, ...a }, b: { ...ENTRY, ...b } };
    const { problems } = refusal({ files: { 'clusters.json': { clusters } } });
    expect(problems).toEqual([
      { source: 'clusters.json', cluster: 'b', field, message: expect.stringContaining(message) },
    ]);
  });

  test('other users may read it: a warning', () => {
    const folder = folderWith({ 'clusters.json': fileWith() });
    for (const mode of [0o640, 0o604]) {
      chmodSync(join(folder, 'clusters.json'), mode);
      expect(loadConfig({ env: {}, cwd: folder, needsAuth: false }).warnings.join()).toContain('chmod 600');
    }
  });

  test('verify_ssl false without a fingerprint: a warning that names the cluster', () => {
    const warned = load({ files: { 'clusters.json': fileWith({ verify_ssl: false }) } });
    expect(warned.warnings.join()).toMatch(/"prod".*verify_ssl/);
    const pinned = load({ files: { 'clusters.json': fileWith({ verify_ssl: false, fingerprint: SHA256 }) } });
    expect(pinned.warnings).toEqual([]);
  });

  test('a byte order mark is no syntax error', () => {
    expect(load({ files: { 'clusters.json': `\uFEFF${JSON.stringify(fileWith())}` } }).clusters).toHaveLength(
      1,
    );
  });
});

describe('clusters.json that is wrong', () => {
  test.each([
    ['an unknown key, with the nearest', { verify_sl: false }, 'verify_sl', 'Did you mean "verify_ssl"?'],
    ['url missing', { url: undefined }, 'url', 'is missing'],
    ['url with a password', { url: `https://root:${CANARY}@pve1` }, 'url', 'password'],
    ['a type', { verify_ssl: 'yes' }, 'verify_ssl', 'true or false'],
    ['validate', { validate: 'no' }, 'validate', 'true or false'],
    ['a secret of the wrong kind', { token_secret: 17 }, 'token_secret', '{"env":"NAME"}'],
    ['a secret that is empty', { token_secret: '' }, 'token_secret', 'must'],
    ['a secret with a line break', { token_secret: `${CANARY}\n` }, 'token_secret', 'line break'],
    ['a variable that is not set', { token_secret: { env: 'NOT_SET' } }, 'token_secret', 'NOT_SET'],
    [
      'a secret in place of a variable name',
      { token_secret: { env: CANARY } },
      'token_secret.env',
      'must be',
    ],
    ['a secret file that is not there', { token_secret: { file: 'gone' } }, 'token_secret', 'ENOENT'],
    ['no credentials', { token_id: undefined, token_secret: undefined }, 'token_secret', 'is missing'],
    ['half a token', { token_secret: undefined }, 'token_secret', 'is missing'],
    ['token and password', { password: CANARY }, 'password', 'beside a token'],
    ['a user without a realm', { user: 'root' }, 'user', 'user@realm'],
    ['no user at all', { user: undefined }, 'token_id', 'user@realm!name'],
    ['two users', { token_id: 'other@pve!mcp' }, 'user', 'another'],
    ['a secret in token_id', { token_id: `${CANARY}` }, 'token_id', 'name'],
    ['a short fingerprint', { fingerprint: 'AA:BB' }, 'fingerprint', '64 hex'],
    ['a SHA-1 fingerprint', { fingerprint: 'A1'.repeat(20) }, 'fingerprint', 'SHA-1'],
    ['no CA file', { ca_file: 'gone.pem' }, 'ca_file', 'ENOENT'],
    ['an endpoint', { endpoints: ['http://x'] }, 'endpoints', 'https'],
    ['a VMID range', { vmids: ['1..2'] }, 'vmids', 'no VMID'],
    ['a VMID that is none', { vmids: [99] }, 'vmids', 'from 100'],
    ['a range backwards', { vmids: '300-200' }, 'vmids', 'before'],
    ['VMIDs of another kind', { vmids: [true] }, 'vmids', 'must be VMIDs'],
    ['prices that are none', { prices: 7 }, 'prices', 'must be an object such as'],
    ['prices without any', { prices: { currency: 'EUR' } }, 'prices', 'needs one of vcpu_hour'],
    ['prices in no currency', { prices: { vcpu_hour: 1 } }, 'prices', 'three letters'],
    ['a currency that is none', { prices: { currency: '€', vcpu_hour: 1 } }, 'prices', 'three letters'],
    ['a negative price', { prices: { currency: 'EUR', vcpu_hour: -1 } }, 'prices', 'from 0'],
    ['a price without end', { prices: { currency: 'EUR', vcpu_hour: 1e300 } }, 'prices', 'from 0'],
    ['a price as text', { prices: { currency: 'EUR', memory_gib_hour: '1' } }, 'prices', 'must be a number'],
    [
      'a misspelt price',
      { prices: { currency: 'EUR', vcpu_hour: 1, vcpu_hours: 1 } },
      'prices',
      'Did you mean "vcpu_hour"?',
    ],
    ['a bad pattern', { patterns: ['/(/'] }, 'patterns', 'RE2'],
    ['a pattern without end', { patterns: 'x'.repeat(300) }, 'patterns', 'longer'],
    ['a pattern for all', { patterns: '*' }, 'patterns', 'every name'],
    ['a fallback to itself', { fallback: 'prod' }, 'fallback', 'itself'],
    ['an unknown fallback', { fallback: 'prd' }, 'fallback', 'Did you mean "prod"?'],
  ])('%s', (_title, changes, field, text) => {
    const problems = problemsOf(changes);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ source: 'clusters.json', cluster: 'prod', field });
    expect(problems[0]?.message).toContain(text);
  });

  test('everything at once, each with its place', () => {
    const clusters = { a: { url: 'x/y' }, b: { ...ENTRY, user: 'u' } };
    const { problems } = refusal({ files: { 'clusters.json': { clusters } }, env: { MCP_PORT: 'x' } });
    expect(problems.map(({ cluster, field }) => `${cluster} ${field}`)).toEqual([
      'a url',
      'a token_secret',
      'b user',
      'undefined MCP_PORT',
    ]);
  });

  test('an unknown key at the top', () => {
    expect(problemsOf({}, { defaults: 'prod' })).toMatchObject([
      { source: 'clusters.json', field: 'defaults' },
    ]);
  });

  test.each([
    ['an unknown default_cluster', { default_cluster: 'prd' }, 'default_cluster'],
    ['a pattern to an unknown cluster', { patterns: { 'x-': 'none' } }, 'patterns'],
  ])('%s', (_title, top, field) => {
    expect(problemsOf({}, top)).toMatchObject([{ field }]);
  });

  test('a CA file without a certificate', () => {
    const { problems } = refusal({
      files: { 'clusters.json': fileWith({ ca_file: 'ca.pem' }), 'ca.pem': 'hello' },
    });
    expect(problems).toMatchObject([{ cluster: 'prod', field: 'ca_file' }]);
  });

  test('an unknown key does not hide what else is wrong', () => {
    const problems = problemsOf(
      { colour: 'red', vmids: '7' },
      { shape: 'round', default_cluster: 'nowhere' },
    );
    expect(problems.map(({ field }) => field).toSorted()).toEqual([
      'colour',
      'default_cluster',
      'shape',
      'vmids',
    ]);
  });

  test('a name that can’t be one is the cluster’s, and no field of it', () => {
    const { message } = refusal({
      files: { 'clusters.json': JSON.stringify({ clusters: { 'a b': ENTRY } }) },
    });
    expect(message).toContain('clusters.json, cluster "a b": the name must begin with');
  });

  test('a syntax error has line and column, and no text of the file', () => {
    const error = refusal({
      files: { 'clusters.json': `{\n "clusters": {"a": {"token_secret": "${CANARY}" "url": 1}}}` },
    });
    expect(error.message).toMatch(/line 2, column \d+: is not valid JSON/);
  });

  test('a cluster called __proto__ is refused: left out, it would make the other one the single cluster', () => {
    const entry = JSON.stringify(ENTRY);
    const error = refusal({
      files: { 'clusters.json': `{"clusters":{"prod":${entry},"__proto__":${entry}}}` },
    });
    expect(error.problems).toMatchObject([{ cluster: '__proto__' }]);
  });

  test('a duplicate cluster and a duplicate key are named', () => {
    const entry = JSON.stringify(ENTRY);
    const twice = entry.replace('{', '{"url":"x",');
    const error = refusal({ files: { 'clusters.json': `{"clusters":{"prod":${entry},"prod":${twice}}}` } });
    expect(error.problems).toMatchObject([
      { cluster: 'prod', message: expect.stringContaining('twice') },
      { cluster: 'prod', field: 'url', message: expect.stringContaining('twice') },
    ]);
  });

  test.each(['../x', 'a b', '', '__proto__x', 'a'.repeat(64)])('the name %j is refused', (name) => {
    const { problems } = refusal({ files: { 'clusters.json': { clusters: { [name]: ENTRY } } } });
    expect(problems[0]?.message).toContain('must begin with');
  });

  test('no cluster in it', () => {
    expect(refusal({ files: { 'clusters.json': { clusters: {} } } }).message).toContain('no cluster');
    expect(refusal({ files: { 'clusters.json': '[]' } }).message).toContain('must be an object');
  });

  test('a named CLUSTERS_FILE must be there, whatever .env says', () => {
    const env = { CLUSTERS_FILE: 'gone.json', PROXMOX_API_URL: 'pve1' };
    expect(refusal({ env }).message).toMatch(/gone\.json.*ENOENT/);
  });

  test('CLUSTERS_FILE is found from the working directory', () => {
    const folder = folderWith();
    writeFileSync(join(folder, 'other.json'), JSON.stringify(fileWith()), { mode: 0o600 });
    const config = loadConfig({ env: { CLUSTERS_FILE: 'other.json' }, cwd: folder, needsAuth: false });
    expect(config.clusters).toHaveLength(1);
  });

  test('nothing at all: the way on is named', () => {
    expect(refusal({}).message).toMatch(/proxmox-mcp init.*npm run demo/);
  });
});

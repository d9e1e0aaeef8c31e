import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../../src/simulator/certificate.ts';
import { CANARY, fileWith, load, refusal } from '../../support/config-folder.ts';

const SINGLE = {
  PROXMOX_API_URL: 'https://pve1:8006/api2/json',
  PROXMOX_TOKEN_ID: 'ops@pve!mcp',
  PROXMOX_TOKEN_SECRET: CANARY,
};

function several(...names: string[]): Record<string, string> {
  const entries = names.flatMap((name) => [
    [`PROXMOX_CLUSTER_${name}_API_URL`, `https://${name.toLowerCase()}:8006`],
    [`PROXMOX_CLUSTER_${name}_TOKEN_ID`, 'ops@pve!mcp'],
    [`PROXMOX_CLUSTER_${name}_TOKEN_SECRET`, CANARY],
  ]);
  return { PROXMOX_CLUSTERS: names.join(','), ...Object.fromEntries(entries) };
}

describe('clusters from variables', () => {
  test('one cluster with a token', () => {
    const config = load({ env: { ...SINGLE, PROXMOX_VERIFY: 'no', PROXMOX_DEFAULT_NODE: 'pve1' } });
    expect(config.defaultCluster).toBe('default');
    expect(config.clusters).toMatchObject([
      {
        name: 'default',
        credentials: { user: 'ops@pve', tokenId: 'mcp' },
        tls: { verify: false },
        defaultNode: 'pve1',
      },
    ]);
    expect(config.warnings.join()).toContain('"default": verify_ssl is false');
  });

  test('verification of calls, for one cluster and for several', () => {
    expect(load({ env: { ...SINGLE, PROXMOX_VALIDATE: 'false' } }).clusters[0]?.validate).toBe(false);
    const { clusters } = load({ env: { ...several('a', 'b'), PROXMOX_CLUSTER_b_VALIDATE: '0' } });
    expect(clusters.map(({ validate }) => validate)).toEqual([true, false]);
  });

  test('one cluster with a password', () => {
    const env = { PROXMOX_HOST: 'pve1', PROXMOX_USERNAME: 'root@pam', PROXMOX_PASSWORD: CANARY };
    expect(load({ env }).clusters[0]?.credentials).toMatchObject({ kind: 'password', user: 'root@pam' });
  });

  test('several clusters; the first is the default', () => {
    const config = load({ env: several('disaster-recovery', 'Prod.EU-1', 'b2') });
    expect(config.clusters.map(({ name }) => name)).toEqual(['disaster-recovery', 'Prod.EU-1', 'b2']);
    expect(config.defaultCluster).toBe('disaster-recovery');
  });

  test('.env is read, and the process environment counts before it', () => {
    const dotEnv = Object.entries(several('disaster-recovery', 'b.c')).map(
      ([name, value]) => `${name}=${value}`,
    );
    const config = load({
      files: { '.env': dotEnv.join('\n') },
      env: {
        PROXMOX_CLUSTERS: 'b.c',
        'PROXMOX_CLUSTER_b.c_API_URL': 'other',
        'PROXMOX_CLUSTER_b.c_REGION': '',
      },
    }).clusters;
    expect(config).toMatchObject([{ name: 'b.c', endpoints: [{ host: 'other' }] }]);
  });

  test('mounted secrets: NAME_FILE for every variable, and the CA as a file', async () => {
    const { pem } = await makeCertificate('test', '127.0.0.1');
    const { PROXMOX_TOKEN_SECRET: _, ...env } = SINGLE;
    const { clusters } = load({
      files: { secret: `${CANARY}\r\n`, 'ca.pem': pem },
      env: { ...env, PROXMOX_TOKEN_SECRET_FILE: 'secret', PROXMOX_CA_FILE: 'ca.pem' },
    });
    const credentials = clusters[0]?.credentials;
    expect(credentials?.kind === 'token' && credentials.secret.reveal()).toBe(CANARY);
    expect(clusters[0]?.tls.ca).toContain('BEGIN CERTIFICATE');
  });

  test('clusters.json counts before them, and a warning says so', () => {
    const config = load({
      files: { 'clusters.json': fileWith() },
      env: { ...SINGLE, PROXMOX_TOKEN_ID: 'broken' },
    });
    expect(config.clusters.map(({ name }) => name)).toEqual(['prod']);
    expect(config.warnings.join()).toContain('clusters.json is used');
  });

  test.each([['{"prod-":"a"}'], ['prod-:a,stg-:b']])('patterns %s are checked and warned of', (patterns) => {
    const config = load({ env: { ...several('a', 'b'), PROXMOX_CLUSTER_PATTERNS: patterns } });
    expect(config.warnings).toEqual(['PROXMOX_CLUSTER_PATTERNS is not used by this version yet']);
  });
});

test('a variable of a cluster that PROXMOX_CLUSTERS does not name: a warning', () => {
  const config = load({ env: { ...several('a'), PROXMOX_CLUSTER_b_TIER: 'x' } });
  expect(config.warnings.join()).toContain('PROXMOX_CLUSTER_b_TIER belongs to no cluster');
});

describe('variables that are wrong', () => {
  test.each([
    [
      'a token without its user',
      { ...SINGLE, PROXMOX_TOKEN_ID: 'mcp' },
      'PROXMOX_TOKEN_ID',
      'user@realm!name',
    ],
    ['no secret', { ...SINGLE, PROXMOX_TOKEN_SECRET: '' }, 'PROXMOX_TOKEN_SECRET', 'missing'],
    ['VALIDATE', { ...SINGLE, PROXMOX_VALIDATE: 'maybe' }, 'PROXMOX_VALIDATE', 'true or false'],
    ['VERIFY', { ...SINGLE, PROXMOX_VERIFY: CANARY }, 'PROXMOX_VERIFY', 'true or false'],
    ['both addresses', { ...SINGLE, PROXMOX_HOST: 'pve1' }, 'PROXMOX_HOST', 'keep one'],
    ['a value and a file', { ...SINGLE, PROXMOX_TOKEN_SECRET_FILE: 'x' }, 'PROXMOX_TOKEN_SECRET', 'keep one'],
    ['an address', { ...SINGLE, PROXMOX_API_URL: `https://x:${CANARY}@pve1` }, 'PROXMOX_API_URL', 'password'],
    ['a fingerprint', { ...SINGLE, PROXMOX_FINGERPRINT: CANARY }, 'PROXMOX_FINGERPRINT', '64 hex'],
    ['a CA', { ...SINGLE, PROXMOX_CA: CANARY }, 'PROXMOX_CA', 'PEM'],
    ['a name', { PROXMOX_CLUSTERS: 'a b' }, 'PROXMOX_CLUSTERS', 'must begin'],
    ['a name twice', { ...several('a'), PROXMOX_CLUSTERS: 'a,a' }, 'PROXMOX_CLUSTERS', 'twice'],
    ['no name', { PROXMOX_CLUSTERS: ' , ' }, 'PROXMOX_CLUSTERS', 'no name'],
    ['patterns', { ...several('a'), PROXMOX_CLUSTER_PATTERNS: 'x' }, 'PROXMOX_CLUSTER_PATTERNS', 'pairs'],
    [
      'an unknown target',
      { ...several('a'), PROXMOX_CLUSTER_PATTERNS: 'x:b' },
      'PROXMOX_CLUSTER_PATTERNS',
      'not in',
    ],
    [
      'an unknown variable',
      { ...several('a'), PROXMOX_CLUSTER_a_TOKN_ID: CANARY },
      'PROXMOX_CLUSTER_a_TOKN_ID',
      'Did you mean "PROXMOX_CLUSTER_a_TOKEN_ID"?',
    ],
  ])('%s', (_title, env, field, text) => {
    const { problems } = refusal({ env });
    expect(problems.map((problem) => problem.field)).toContain(field);
    expect(problems.find((problem) => problem.field === field)?.message).toContain(text);
  });

  test('a cluster without an address is named', () => {
    const { problems } = refusal({ env: { PROXMOX_CLUSTERS: 'a' } });
    expect(problems).toMatchObject([
      { cluster: 'a', field: 'PROXMOX_CLUSTER_a_API_URL', message: 'is missing' },
    ]);
  });
});

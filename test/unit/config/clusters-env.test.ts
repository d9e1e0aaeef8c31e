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

  test.each(['{"prod-":"a","web-*":"b"}', 'prod-:a, web-*:b', 'prod-:a,web-*:b,'])(
    'patterns %s',
    (patterns) => {
      const config = load({ env: { ...several('a', 'b'), PROXMOX_CLUSTER_PATTERNS: patterns } });
      expect(config.warnings).toEqual([]);
      expect(config.clusters.map((cluster) => cluster.patterns)).toEqual([['prod-'], ['web-*']]);
    },
  );

  test('patterns of a cluster stand beside those of all; a JSON list may hold commas and colons', () => {
    const config = load({
      env: {
        ...several('a', 'b'),
        PROXMOX_CLUSTER_PATTERNS: '{"/^x{1,2}(?:-y)?$/":"a"}',
        PROXMOX_CLUSTER_a_PATTERNS: 'prod-, web-*',
        PROXMOX_CLUSTER_b_PATTERNS: '["/^q{1,2}$/"]',
      },
    });
    expect(config.clusters.map(({ patterns }) => patterns)).toEqual([
      ['/^x{1,2}(?:-y)?$/', 'prod-', 'web-*'],
      ['/^q{1,2}$/'],
    ]);
  });

  test('everything that clusters.json can say', () => {
    const fingerprint = Array(32).fill('AB').join(':');
    const { clusters } = load({
      env: {
        ...several('a', 'b'),
        PROXMOX_CLUSTER_a_ENDPOINTS: `pve2, pve3:8007=${fingerprint}`,
        PROXMOX_CLUSTER_a_VMIDS: '100-199, 205',
        PROXMOX_CLUSTER_a_FALLBACK: 'b',
        PROXMOX_CLUSTER_a_PRICES: 'currency=eur, vcpu_hour=0.01, storage_gib_hour=1e-4',
      },
    });
    expect(clusters[0]).toMatchObject({
      endpoints: [{ host: 'a' }, { host: 'pve2', port: 8006 }, { host: 'pve3', port: 8007, fingerprint }],
      vmids: [
        { from: 100, to: 199 },
        { from: 205, to: 205 },
      ],
      fallback: 'b',
      prices: { currency: 'EUR', vcpuHour: 0.01, storageGibHour: 0.0001 },
    });
    expect(clusters[1]).not.toHaveProperty('prices');
  });

  test('the prices of a single cluster', () => {
    const single = { API_URL: 'a', TOKEN_ID: 'ops@pve!mcp', TOKEN_SECRET: CANARY };
    const env = Object.fromEntries(Object.entries(single).map(([key, value]) => [`PROXMOX_${key}`, value]));
    const { clusters } = load({ env: { ...env, PROXMOX_PRICES: 'currency=CHF,memory_gib_hour=0' } });
    expect(clusters[0]?.prices).toEqual({ currency: 'CHF', memoryGibHour: 0 });
  });
});

describe('names', () => {
  test.each([
    ['one that another begins with', ['prod', 'prod_eu']],
    ['one that continues into a suffix', ['a', 'a_API', 'a_DEFAULT']],
    ['names of suffixes', ['TIER', 'API_URL', 'CA', 'PATTERNS', 'TOKEN_ID', 'FILE']],
    [
      'dots, dashes, upper case, digits',
      ['disaster-recovery', 'Prod.EU-1', '7', '0x1', 'B', 'b', 'a--b..c_'],
    ],
    ['names of what every object has', ['constructor', 'toString', 'hasOwnProperty']],
  ])('%s, from the environment and from .env', (_title, names) => {
    const env = Object.fromEntries(
      names.flatMap((name, index) => [
        [`PROXMOX_CLUSTER_${name}_API_URL`, `node${index}`],
        [`PROXMOX_CLUSTER_${name}_TOKEN_ID`, 'ops@pve!mcp'],
        [`PROXMOX_CLUSTER_${name}_TOKEN_SECRET`, CANARY],
        [`PROXMOX_CLUSTER_${name}_TIER`, `tier ${name}`],
      ]),
    );
    const all = { PROXMOX_CLUSTERS: names.join(','), ...env };
    const dotEnv = Object.entries(all).map(([name, value]) => `${name}='${value}'`);
    for (const config of [load({ env: all }), load({ files: { '.env': dotEnv.join('\n') } })]) {
      expect(config.clusters.map(({ name, tier, endpoints }) => [name, tier, endpoints[0]?.host])).toEqual(
        names.map((name, index) => [name, `tier ${name}`, `node${index}`]),
      );
      expect(config.warnings).toEqual([]);
    }
  });

  test('a cluster that is left out is no mistake of the one its name begins with', () => {
    const { clusters, warnings } = load({ env: { ...several('prod', 'prod_eu'), PROXMOX_CLUSTERS: 'prod' } });
    expect(clusters.map(({ name }) => name)).toEqual(['prod']);
    expect(warnings).toHaveLength(3);
    expect(warnings.join()).toContain('PROXMOX_CLUSTER_prod_eu_API_URL belongs to no cluster');
  });

  test('a slip is a problem of the longer name', () => {
    const env = { ...several('prod', 'prod_eu'), PROXMOX_CLUSTER_prod_eu_TIRE: 'x' };
    expect(refusal({ env }).problems).toMatchObject([
      { cluster: 'prod_eu', field: 'PROXMOX_CLUSTER_prod_eu_TIRE' },
    ]);
  });
});

describe('two forms at once', () => {
  test('PROXMOX_CLUSTERS counts before the form of a single cluster, which is named', () => {
    const { clusters, warnings } = load({ env: { ...several('a'), ...SINGLE } });
    expect(clusters.map(({ name }) => name)).toEqual(['a']);
    expect(warnings).toEqual([
      'PROXMOX_API_URL, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET: ignored, because PROXMOX_CLUSTERS is set, and its ' +
        'clusters have variables of their own',
    ]);
  });

  test('without PROXMOX_CLUSTERS the single cluster counts, and the others are named', () => {
    const { clusters, warnings } = load({ env: { ...SINGLE, PROXMOX_CLUSTER_a_API_URL: 'x' } });
    expect(clusters.map(({ name }) => name)).toEqual(['default']);
    expect(warnings.join()).toMatch(
      /^PROXMOX_CLUSTER_a_API_URL: ignored, because PROXMOX_CLUSTERS.* is not set$/,
    );
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
      'a colon',
      { ...several('a'), PROXMOX_CLUSTER_PATTERNS: '/^(?:x)/:a' },
      'PROXMOX_CLUSTER_PATTERNS',
      'JSON',
    ],
    [
      'a key twice',
      { ...several('a'), PROXMOX_CLUSTER_PATTERNS: '{"x":"a","x":"a"}' },
      'PROXMOX_CLUSTER_PATTERNS',
      'JSON',
    ],
    ['a pattern', { ...several('a'), PROXMOX_CLUSTER_PATTERNS: '/(/:a' }, 'PROXMOX_CLUSTER_PATTERNS', 'RE2'],
    [
      'its own pattern',
      { ...several('a'), PROXMOX_CLUSTER_a_PATTERNS: '*' },
      'PROXMOX_CLUSTER_a_PATTERNS',
      'every',
    ],
    [
      'a list that is none',
      { ...several('a'), PROXMOX_CLUSTER_a_PATTERNS: '[1]' },
      'PROXMOX_CLUSTER_a_PATTERNS',
      'list',
    ],
    [
      'a range',
      { ...several('a'), PROXMOX_CLUSTER_a_VMIDS: '200-100' },
      'PROXMOX_CLUSTER_a_VMIDS',
      '200-100',
    ],
    ['a fallback', { ...several('a'), PROXMOX_CLUSTER_a_FALLBACK: 'b' }, 'PROXMOX_CLUSTER_a_FALLBACK', '"b"'],
    [
      'a fallback to itself',
      { ...several('a'), PROXMOX_CLUSTER_a_FALLBACK: 'a' },
      'PROXMOX_CLUSTER_a_FALLBACK',
      'itself',
    ],
    [
      'prices without a currency',
      { ...several('a'), PROXMOX_CLUSTER_a_PRICES: 'vcpu_hour=0.01' },
      'PROXMOX_CLUSTER_a_PRICES',
      'currency of three letters',
    ],
    [
      'a price with a decimal comma',
      { ...several('a'), PROXMOX_CLUSTER_a_PRICES: 'currency=EUR,vcpu_hour=0,01' },
      'PROXMOX_CLUSTER_a_PRICES',
      'pairs such as',
    ],
    [
      'a price twice',
      { ...several('a'), PROXMOX_CLUSTER_a_PRICES: 'currency=EUR,vcpu_hour=0,vcpu_hour=1' },
      'PROXMOX_CLUSTER_a_PRICES',
      'each key once',
    ],
    [
      'a price that is no number',
      { ...several('a'), PROXMOX_CLUSTER_a_PRICES: 'currency=EUR,vcpu_hour=-1' },
      'PROXMOX_CLUSTER_a_PRICES',
      'vcpu_hour must be a number from 0',
    ],
    [
      'an endpoint',
      { ...several('a'), PROXMOX_CLUSTER_a_ENDPOINTS: 'b=AA' },
      'PROXMOX_CLUSTER_a_ENDPOINTS',
      '64 hex',
    ],
    [
      'a pattern twice',
      { ...several('a', 'b'), PROXMOX_CLUSTER_PATTERNS: 'x-:a,X-*:b' },
      'PROXMOX_CLUSTER_PATTERNS',
      '"a" too',
    ],
    [
      'VMIDs twice',
      { ...several('a', 'b'), PROXMOX_CLUSTER_a_VMIDS: '100-300', PROXMOX_CLUSTER_b_VMIDS: '250-400' },
      'PROXMOX_CLUSTER_b_VMIDS',
      '250-300 lies in cluster "a" too',
    ],
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

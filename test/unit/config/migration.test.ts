import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClusterConfig, Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { migrateToEnv } from '../../../src/config/migrate-to-env.ts';
import { migrateToJson } from '../../../src/config/migrate-to-json.ts';
import { type Migration, type SecretsMode, sameClusters } from '../../../src/config/migration.ts';
import { ConfigError } from '../../../src/config/problems.ts';
import { makeCertificate } from '../../../src/simulator/certificate.ts';
import { CANARY, fileWith, folderWith } from '../../support/config-folder.ts';

const { pem: PEM } = await makeCertificate('test', '127.0.0.1');

const read = (folder: string, env: Record<string, string> = {}): Config =>
  loadConfig({ env, cwd: folder, needsAuth: false });

/** Writes what a migration would have written. */
function write(output: string, { text, files }: Migration): void {
  for (const [path, content] of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  writeFileSync(output, text);
}

function toEnv(from: string, to: string, secrets: Exclude<SecretsMode, 'env'> = 'keep', env = {}): Migration {
  const migration = migrateToEnv({
    env,
    cwd: from,
    input: join(from, 'clusters.json'),
    output: join(to, '.env'),
    existing: '',
    secrets,
  });
  write(join(to, '.env'), migration);
  return migration;
}

function toJson(from: string, to: string, secrets: SecretsMode = 'keep', env = {}): Migration {
  const migration = migrateToJson({ env, cwd: from, output: join(to, 'clusters.json'), secrets });
  write(join(to, 'clusters.json'), migration);
  return migration;
}

function expectSame(one: Config, other: Config): void {
  expect(other.clusters.map(publicPart).toSorted(byName)).toEqual(
    one.clusters.map(publicPart).toSorted(byName),
  );
  expect(sameClusters(one.clusters, other.clusters)).toBe(true);
}

const publicPart = ({ credentials, ...rest }: ClusterConfig) => ({ ...rest, user: credentials.user });
const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

describe('there and back', () => {
  const name = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,12}$/),
    fc.constantFrom(
      'a',
      'a_API',
      'a_API_URL',
      'prod',
      'prod_eu',
      'TIER',
      'disaster-recovery',
      '7',
      'constructor',
    ),
  );
  const printable = fc
    .stringMatching(/^[ -~]{1,12}$/)
    .filter((text) => !/'.*".*`|[`"'].*[`"'].*[`"']/.test(text));
  const word = fc.stringMatching(/^[A-Za-z0-9]{1,8}$/);
  const secret = fc
    .stringMatching(/^[!-_a-~]{1,20}$/)
    .filter((text) => !(text.includes("'") && text.includes('"')));
  const fingerprint = fc.stringMatching(/^[0-9A-F]{64}$/).map((hex) => hex.match(/../g)?.join(':') ?? '');
  const host = fc.stringMatching(/^pve[0-9]{1,3}(?::80[0-9]{2})?$/);
  const pattern = fc.constantFrom('-', '-web-*', '-?db', 'x{1,3}$/', '(?:a|b):$/');
  const price = fc.double({ min: 0, max: 1000, noNaN: true }).map(Math.abs);
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const credentials = fc.oneof(
    secret.map((token_secret) => ({ user: 'ops@pve', token_id: 'mcp', token_secret })),
    secret.map((token_secret) => ({ token_id: 'ops@pve!mcp', token_secret })),
    secret.map((password) => ({ user: 'root@pam', password })),
  );
  const entry = fc
    .record({
      url: host,
      endpoints: maybe(
        fc.array(fc.oneof(host, fc.record({ url: host, fingerprint })), { minLength: 1, maxLength: 3 }),
      ),
      verify_ssl: maybe(fc.boolean()),
      fingerprint: maybe(fingerprint),
      ca_file: maybe(fc.constant('ca.pem')),
      default_node: maybe(word),
      default_storage: maybe(printable),
      default_bridge: maybe(word),
      region: maybe(printable),
      tier: maybe(word),
      read_only: maybe(fc.boolean()),
      validate: maybe(fc.boolean()),
      prices: maybe(
        fc.record({ currency: fc.constantFrom('EUR', 'chf'), vcpu_hour: price, memory_gib_hour: price }),
      ),
      own: fc.uniqueArray(pattern),
      vmids: maybe(fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 4 })),
      hasFallback: fc.boolean(),
    })
    .chain((keys) => credentials.map((login) => ({ ...keys, ...login })));

  /** A clusters.json that can be used: no two clusters claim the same. */
  const file = fc
    .record({
      entries: fc.uniqueArray(fc.tuple(name, entry), {
        minLength: 1,
        maxLength: 4,
        selector: ([key]) => key,
      }),
      isShared: fc.boolean(),
    })
    .map(({ entries, isShared }) => {
      const names = entries.map(([key]) => key);
      const patterns: Record<string, string> = {};
      const clusters = entries.map(([key, { own, vmids, hasFallback, ...rest }], index) => {
        const texts = own.map((tail) => (tail.endsWith('/') ? `/^p${index}${tail}` : `p${index}${tail}`));
        if (isShared) for (const text of texts) patterns[text] = key;
        const fallback = names[(index + 1) % names.length];
        return [
          key,
          {
            ...rest,
            ...(isShared || texts.length === 0 ? {} : { patterns: texts }),
            ...(vmids === undefined ? {} : { vmids: vmids.map((id) => 1000 * (index + 1) + id) }),
            ...(hasFallback && fallback !== key ? { fallback } : {}),
          },
        ] as const;
      });
      return { clusters: Object.fromEntries(clusters), patterns, default_cluster: names.at(-1) };
    });

  test('json → env → json, and the env between, describe the same clusters', () => {
    const [json, env, again] = [
      folderWith({ 'ca.pem': PEM }),
      folderWith({ 'ca.pem': PEM }),
      folderWith({ 'ca.pem': PEM }),
    ];
    fc.assert(
      fc.property(
        file,
        fc.constantFrom('keep' as const, 'inline' as const, 'file' as const),
        (content, secrets) => {
          writeFileSync(join(json, 'clusters.json'), JSON.stringify(content));
          const original = read(json);
          toEnv(json, env, secrets);
          const variables = read(env);
          expectSame(original, variables);
          toJson(env, again, secrets);
          const back = read(again);
          expectSame(original, back);
          expect([variables.defaultCluster, back.defaultCluster]).toEqual(
            Array(2).fill(original.defaultCluster),
          );
        },
      ),
      { numRuns: 150 },
    );
  }, 20_000);
});

describe('to clusters.json', () => {
  const VARIABLES = {
    PROXMOX_CLUSTERS: 'disaster-recovery,b',
    'PROXMOX_CLUSTER_disaster-recovery_API_URL': 'pve1',
    'PROXMOX_CLUSTER_disaster-recovery_TOKEN_ID': 'ops@pve!mcp',
    PROXMOX_CLUSTER_b_API_URL: 'pve2',
    PROXMOX_CLUSTER_b_TOKEN_ID: 'ops@pve!mcp',
    PROXMOX_CLUSTER_b_TOKEN_SECRET_FILE: 'b.secret',
  };
  const SECRET = 'PROXMOX_CLUSTER_disaster-recovery_TOKEN_SECRET';
  const asDotEnv = (variables: Record<string, string>) =>
    Object.entries(variables)
      .map(([key, value]) => `${key}=${value}`)
      .join('\n');

  function sources(secrets: SecretsMode, env: Record<string, string> = {}, own = true) {
    const dotEnv = asDotEnv({ ...VARIABLES, ...(own ? { [SECRET]: CANARY } : {}), MCP_PORT: '1' });
    const folder = folderWith({ '.env': dotEnv, 'b.secret': `${CANARY}\n` });
    const before = read(folder, env);
    const { unused } = toJson(folder, folder, secrets, env);
    expectSame(before, read(folder, env));
    const { clusters } = JSON.parse(readFileSync(join(folder, 'clusters.json'), 'utf8'));
    const found = [clusters['disaster-recovery'].token_secret, clusters.b.token_secret];
    return { found, unused: unused.map(({ name }) => name) };
  }

  test('secrets are kept where they are: of .env they move, files stay files', () => {
    const { found, unused } = sources('keep');
    expect(found).toEqual([CANARY, { file: 'b.secret' }]);
    expect(unused).toEqual(expect.arrayContaining([SECRET, 'PROXMOX_CLUSTERS']));
    expect(unused).not.toContain('MCP_PORT');
  });

  test('a variable of the process stays one, a dash in its name or not', () => {
    const { found, unused } = sources('keep', { [SECRET]: CANARY }, false);
    expect(found[0]).toEqual({ env: SECRET });
    expect(unused).not.toContain(SECRET);
  });

  test.each([
    ['inline', [CANARY, CANARY]],
    ['env', [{ env: SECRET }, { env: 'PROXMOX_CLUSTER_b_TOKEN_SECRET' }]],
    ['file', [{ file: 'secrets/disaster-recovery_token_secret' }, { file: 'secrets/b_token_secret' }]],
  ] as const)('--secrets %s', (mode, expected) => {
    expect(sources(mode).found).toEqual(expected);
  });

  test('a CA in a variable goes to a file, and a note says so', () => {
    const env = {
      PROXMOX_API_URL: 'pve1',
      PROXMOX_TOKEN_ID: 'a@pve!mcp',
      PROXMOX_TOKEN_SECRET: 'x',
      PROXMOX_CA: PEM,
    };
    const folder = folderWith();
    const before = read(folder, env);
    const { notes } = toJson(folder, folder, 'keep', env);
    expect(notes.join()).toContain('default_ca.pem');
    expect(read(folder, env).clusters[0]?.tls).toEqual(before.clusters[0]?.tls);
  });

  test('a misspelt variable is named, as nothing of it is moved', () => {
    const env = { PROXMOX_API_URL: 'pve1', PROXMOX_TOKEN_ID: 'a@pve!mcp', PROXMOX_TOKEN_SECRET: 'x' };
    const folder = folderWith();
    const { notes } = toJson(folder, folder, 'keep', { ...env, PROXMOX_VERIFI: CANARY });
    expect(notes).toEqual(['PROXMOX_VERIFI is not a setting of this service: did you mean PROXMOX_VERIFY?']);
  });

  test('without any cluster, and with a broken one, there is nothing to write', () => {
    expect(() => toJson(folderWith(), '/nowhere')).toThrow(ConfigError);
    const broken = folderWith({ '.env': asDotEnv({ ...VARIABLES, PROXMOX_CLUSTER_b_VERIFY: CANARY }) });
    expect(() => toJson(broken, '/nowhere')).toThrow(/PROXMOX_CLUSTER_b_VERIFY: must be(?!.*CANARY)/s);
  });
});

describe('to .env', () => {
  test('paths are found from the new place, and a variable that held a secret is named as unused', () => {
    const clusters = {
      a: { url: 'pve1', token_id: 'a@pve!mcp', token_secret: { file: 's' }, ca_file: 'ca.pem' },
    };
    const folder = folderWith({ 'clusters.json': { clusters }, s: CANARY, 'ca.pem': PEM });
    const elsewhere = folderWith();
    toEnv(folder, elsewhere);
    const text = readFileSync(join(elsewhere, '.env'), 'utf8');
    expect(text).toContain(`PROXMOX_CLUSTER_a_TOKEN_SECRET_FILE=${join(folder, 's')}\n`);
    expect(text).not.toContain(CANARY);
    expectSame(read(folder), read(elsewhere));

    const fromVariable = folderWith({ 'clusters.json': fileWith({ token_secret: { env: 'SOME' } }) });
    const { unused } = toEnv(fromVariable, elsewhere, 'keep', { SOME: CANARY });
    expect(unused).toEqual([{ name: 'SOME', source: 'environment' }]);
    expectSame(read(fromVariable, { SOME: CANARY }), read(elsewhere));
  });

  test('what variables can’t say is said: there is always a default', () => {
    const entry = { url: 'pve1', token_id: 'a@pve!mcp', token_secret: 'x' };
    const folder = folderWith({ 'clusters.json': { clusters: { a: entry, b: entry } } });
    const { notes } = toEnv(folder, folderWith());
    expect(notes.join()).toContain('go to "a", the first of PROXMOX_CLUSTERS');
  });

  test('a value that no quoting carries is a problem of its cluster, without the value', () => {
    const folder = folderWith({ 'clusters.json': fileWith({ token_secret: `'"\`${CANARY}` }) });
    const problem = /cluster "prod", TOKEN_SECRET: can’t be written to a .env file/;
    expect(() => toEnv(folder, folderWith())).toThrow(problem);
    expect(() => toEnv(folder, folderWith())).not.toThrow(CANARY);
    const elsewhere = folderWith();
    toEnv(folder, elsewhere, 'file');
    expectSame(read(folder), read(elsewhere));
  });
});

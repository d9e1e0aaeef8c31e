import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type EffectiveConfig, effectiveConfig } from '../../../src/config/effective.ts';
import { explainConfig, serviceSettings } from '../../../src/config/load.ts';
import { SealingKey } from '../../../src/config/sealed.ts';
import { Secret } from '../../../src/config/secret.ts';
import { CANARY, ENTRY, folderWith, type Setting } from '../../support/config-folder.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');

function shown({ files = {}, env = {}, needsAuth = false }: Setting): EffectiveConfig & { folder: string } {
  const folder = folderWith(files);
  const effective = effectiveConfig(explainConfig({ env, cwd: folder, needsAuth }), [
    'CLUSTERS_FILE',
    'CLUSTERS_KEY',
    ...serviceSettings(),
  ]);
  expect(JSON.stringify(effective)).not.toContain(CANARY);
  expect(JSON.stringify(effective)).not.toContain(KEY);
  return { ...effective, folder };
}

/** The value of a key and its origin; a list where the key stands several times. */
function values(effective: EffectiveConfig, cluster: string, key: string): string[] {
  const found = effective.clusters.find(({ name }) => name === cluster)?.values ?? [];
  return found.filter(({ name }) => name === key).map(({ value, origin }) => `${value} < ${origin}`);
}

describe('clusters.json', () => {
  const effective = () =>
    shown({
      files: {
        'clusters.json': {
          clusters: {
            production: {
              ...ENTRY,
              endpoints: ['pve2'],
              token_secret: { file: 'token' },
              verify_ssl: false,
              patterns: ['web-*'],
              vmids: [100, '200-299'],
              fallback: 'dr',
              prices: { currency: 'eur', vcpu_hour: 0.01, memory_gib_hour: 1e-7 },
            },
            dr: { ...ENTRY, token_id: 'ops@pve!mcp', user: undefined, token_secret: { env: 'DR_SECRET' } },
            plain: { url: 'pve3', user: 'root@pam', password: CANARY },
          },
          patterns: { 'prod-': 'production' },
        },
        token: CANARY,
        '.env': `DR_SECRET=${CANARY}`,
      },
    });

  test('each value says where it comes from', () => {
    const found = effective();
    const of = (key: string, cluster = 'production') => values(found, cluster, key);
    expect(of('verify_ssl')).toEqual(['false < clusters.json']);
    expect(of('verify_ssl', 'dr')).toEqual(['true < default']);
    expect(of('url')).toEqual(['pve1:8006 < clusters.json']);
    expect(of('endpoints')).toEqual(['pve2:8006 < clusters.json']);
    expect(of('user', 'dr')).toEqual(['ops@pve < clusters.json']);
    expect(of('read_only')).toEqual(['false < default']);
    expect(of('region')).toEqual([]);
    expect(of('vmids')).toEqual(['100, 200-299 < clusters.json']);
    expect(of('fallback')).toEqual(['dr < clusters.json']);
    expect(of('prices')).toEqual(['currency=EUR,vcpu_hour=0.01,memory_gib_hour=1e-7 < clusters.json']);
    expect(of('prices', 'dr')).toEqual([]);
    expect(of('patterns')).toEqual(['prod- < clusters.json (patterns)', 'web-* < clusters.json']);
  });

  test('a secret is set, and the place behind the file is named', () => {
    const found = effective();
    expect(values(found, 'production', 'token_secret')).toEqual([`set < ${join(found.folder, 'token')}`]);
    expect(values(found, 'dr', 'token_secret')).toEqual(['set < .env (DR_SECRET)']);
    expect(values(found, 'plain', 'password')).toEqual(['set < clusters.json']);
  });

  test('what selects a cluster, in the order of precedence', () => {
    expect(effective().selection.map(({ by, what, cluster }) => `${by} ${what} ${cluster}`)).toEqual([
      'pattern prod- production',
      'pattern web-* production',
      'vmid 100 production',
      'vmid 200-299 production',
    ]);
  });

  test('a sealed secret is sealed', () => {
    const key = SealingKey.parse(new Secret(KEY), 'CLUSTERS_KEY');
    const sealed = key.seal(new Secret(CANARY), { cluster: 'a', key: 'token_secret' });
    const clusters = { a: { ...ENTRY, token_secret: { sealed } } };
    const found = shown({ files: { 'clusters.json': { clusters } }, env: { CLUSTERS_KEY: KEY } });
    expect(values(found, 'a', 'token_secret')).toEqual(['sealed < clusters.json']);
    expect(JSON.stringify(found)).not.toContain(sealed);
    expect(found.settings).toContainEqual({
      name: 'CLUSTERS_KEY',
      value: 'set',
      origin: 'environment (CLUSTERS_KEY)',
    });
  });
});

describe('variables', () => {
  test('each value names its variable, and the process counts before .env', () => {
    const dotEnv = [
      'PROXMOX_CLUSTERS=production,stg',
      'PROXMOX_CLUSTER_PATTERNS=prod-:production',
      'PROXMOX_CLUSTER_production_API_URL=pve1',
      'PROXMOX_CLUSTER_production_TOKEN_ID=ops@pve!mcp',
      'PROXMOX_CLUSTER_production_TOKEN_SECRET_FILE=token',
      'PROXMOX_CLUSTER_production_PATTERNS=web-*',
      'PROXMOX_CLUSTER_production_VERIFY=true',
      'PROXMOX_CLUSTER_stg_API_URL=pve2',
      'PROXMOX_CLUSTER_stg_USERNAME=root@pam',
      `PROXMOX_CLUSTER_stg_PASSWORD=${CANARY}`,
    ];
    const found = shown({
      files: { '.env': dotEnv.join('\n'), token: CANARY },
      env: { PROXMOX_CLUSTER_production_VERIFY: 'no', MCP_READ_ONLY: 'yes' },
    });
    const of = (key: string, cluster = 'production') => values(found, cluster, key);
    expect(of('verify_ssl')).toEqual(['false < environment (PROXMOX_CLUSTER_production_VERIFY)']);
    expect(of('token_secret')).toEqual([
      `set < ${join(found.folder, 'token')} (PROXMOX_CLUSTER_production_TOKEN_SECRET_FILE)`,
    ]);
    expect(of('user')).toEqual(['ops@pve < .env (PROXMOX_CLUSTER_production_TOKEN_ID)']);
    expect(of('user', 'stg')).toEqual(['root@pam < .env (PROXMOX_CLUSTER_stg_USERNAME)']);
    expect(of('patterns')).toEqual([
      'prod- < .env (PROXMOX_CLUSTER_PATTERNS)',
      'web-* < .env (PROXMOX_CLUSTER_production_PATTERNS)',
    ]);
    expect(of('read_only')).toEqual(['true < environment (MCP_READ_ONLY)']);
    expect(found.selection.at(-1)).toMatchObject({
      by: 'default',
      cluster: 'production',
      origin: 'the first of .env (PROXMOX_CLUSTERS)',
    });
  });

  test('one cluster is selected by nothing', () => {
    const env = { PROXMOX_HOST: 'pve1', PROXMOX_USERNAME: 'root@pam', PROXMOX_PASSWORD: CANARY };
    const found = shown({ env: { ...env, PROXMOX_PATTERNS: 'x-' } });
    expect(found.selection).toEqual([
      { by: 'single', what: 'every call', cluster: 'default', origin: 'the only cluster' },
    ]);
    expect(values(found, 'default', 'url')).toEqual(['pve1:8006 < environment (PROXMOX_HOST)']);
  });
});

test('settings of the service: defaults, and a secret that is set or not', () => {
  const env = { PROXMOX_HOST: 'pve1', PROXMOX_USERNAME: 'root@pam', PROXMOX_PASSWORD: CANARY };
  const found = shown({ env: { ...env, MCP_JWT_SECRET: `${CANARY}${'x'.repeat(32)}` }, needsAuth: true });
  const of = (name: string) => found.settings.find((setting) => setting.name === name);
  expect(of('MCP_JWT_SECRET')).toMatchObject({ value: 'set', origin: 'environment (MCP_JWT_SECRET)' });
  expect(of('CLUSTERS_KEY')).toMatchObject({ value: 'not set', origin: 'default' });
  expect(of('CLUSTER_TTL_SECONDS')).toMatchObject({ value: '3600', origin: 'default' });
  expect(of('MCP_PUBLIC_URL')).toMatchObject({ value: 'not set' });
});

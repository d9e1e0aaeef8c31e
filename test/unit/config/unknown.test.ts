import { describe, expect, test } from 'vitest';
import { CANARY, fileWith, load, refusal, type Setting } from '../../support/config-folder.ts';

const FILES = { 'clusters.json': fileWith() };
const SINGLE = { PROXMOX_API_URL: 'pve1', PROXMOX_TOKEN_ID: 'ops@pve!mcp', PROXMOX_TOKEN_SECRET: CANARY };

function warnings(env: Record<string, string>, setting: Setting = { files: FILES }): string[] {
  const { warnings: found } = load({ ...setting, env });
  expect(found.join()).not.toContain(CANARY);
  return found;
}

describe('a setting that nothing reads', () => {
  test.each([
    ['MCP_REDA_ONLY', ': did you mean MCP_READ_ONLY?'],
    ['mcp_read_only', ': did you mean MCP_READ_ONLY?'],
    ['MCP_READONLY', ': did you mean MCP_READ_ONLY?'],
    ['MCP_AUHT', ': did you mean MCP_AUTH?'],
    ['MCP_JWT_SECRT_FILE', ': did you mean MCP_JWT_SECRET_FILE?'],
    ['MCP_JWT_AUDIENCES', ': did you mean MCP_JWT_AUDIENCE?'],
    ['MCP_COMPLETELY_DIFFERENT_THING', ''],
    ['PROXMOX_VERIFY_SSL', ': did you mean PROXMOX_VERIFY?'],
    ['PROXMOX_READONLY', ': did you mean PROXMOX_READ_ONLY?'],
    ['PROXMOX_USER', ': did you mean PROXMOX_USERNAME?'],
    ['PROXMOX_TOKEN_VALUE', ': did you mean PROXMOX_TOKEN_SECRET?'],
    ['PROXMOX_CLUSTER', ': did you mean PROXMOX_CLUSTERS?'],
  ])('%s: a warning', (name, hint) => {
    const expected = [`${name} is not a setting of this service${hint}`];
    expect(warnings({ [name]: CANARY })).toEqual(expected);
    expect(warnings({}, { files: { ...FILES, '.env': `${name}=${CANARY}` } })).toEqual(expected);
  });

  test.each([
    ['settings of authentication, unread without a door', { MCP_JWT_SECRET: CANARY, MCP_JWT_ISSUER: 'x' }],
    ['mounted files', { MCP_JWT_SECRET_FILE: 'gone', MCP_JWKS_URL_FILE: 'gone' }],
    ['the token of `call`', { MCP_TOKEN: CANARY, MCP_TOKEN_FILE: 'gone' }],
    ['what Compose reads', { MCP_BIND: 'x', PROXMOX_MCP_IMAGE: 'x', PROXMOX_MCP_SECRETS: 'x' }],
    ['one that is set and empty', { MCP_REDA_ONLY: '' }],
    ['other programs', { PROXMOXER: 'x', MCPX: 'x', HOME: '/h' }],
  ])('no warning for %s', (_title, env) => {
    expect(warnings(env)).toEqual([]);
  });

  test('no warning for a variable that clusters.json names', () => {
    const files = { 'clusters.json': fileWith({ token_secret: { env: 'PROXMOX_PROD_SECRET' } }) };
    expect(warnings({ PROXMOX_PROD_SECRET: CANARY }, { files })).toEqual([]);
  });

  test('no warning for what one cluster takes, a warning for what it does not', () => {
    const known = { ...SINGLE, PROXMOX_REGION: 'eu', PROXMOX_DEFAULT_NODE: 'pve1' };
    expect(warnings({ ...known, PROXMOX_FINGERPRNT: 'AA' }, {})).toEqual([
      'PROXMOX_FINGERPRNT is not a setting of this service: did you mean PROXMOX_FINGERPRINT?',
    ]);
  });
});

describe('a misspelt setting beside a problem', () => {
  test('is named where no cluster is described, without its value', () => {
    const { message } = refusal({ env: { PROXMOX_API_ULR: CANARY, MCP_NOTHING_LIKE_IT: CANARY } });
    expect(message).toContain('no PROXMOX_… variable describes a cluster');
    expect(message).toContain(
      'PROXMOX_API_ULR: is not a setting of this service: did you mean PROXMOX_API_URL?',
    );
    expect(message).not.toContain('MCP_NOTHING_LIKE_IT');
  });

  test('clusters are described, and PROXMOX_CLUSTERS does not list them', () => {
    const { message } = refusal({ env: { PROXMOX_CLUSTER_prod_API_URL: 'pve1' } });
    expect(message).toContain('PROXMOX_CLUSTER_prod_API_URL: is set, but PROXMOX_CLUSTERS');
  });

  test('is not taken for one where a clusters.json that is broken may name it', () => {
    const files = { 'clusters.json': '{' };
    expect(refusal({ files, env: { PROXMOX_PROD_TOKEN_SECRET: CANARY } }).problems).toHaveLength(1);
  });

  test('is named with the file it stands in', () => {
    const files = { ...FILES, '.env': 'MCP_JWT_SECRT=x' };
    expect(refusal({ files, needsAuth: true }).problems).toMatchObject([
      { source: 'environment', field: 'MCP_JWT_SECRET' },
      { source: '.env', field: 'MCP_JWT_SECRT' },
    ]);
  });
});

describe('where a value is to be corrected', () => {
  test.each([
    ['.env', {}, { '.env': 'MCP_PORT=x' }],
    ['environment', { MCP_PORT: 'x' }, {}],
    ['environment', { MCP_PORT: 'x' }, { '.env': 'MCP_PORT=1' }],
    ['.env', {}, { '.env': 'MCP_PORT_FILE=port', port: 'x' }],
    ['.env', {}, { '.env': 'MCP_PORT_FILE=gone' }],
  ])('%s', (source, env, files) => {
    expect(refusal({ files: { ...FILES, ...files }, env }).problems).toMatchObject([{ source }]);
  });
});

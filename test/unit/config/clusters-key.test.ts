import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { type SealedPlace, SealingKey } from '../../../src/config/sealed.ts';
import { Secret } from '../../../src/config/secret.ts';
import { CANARY, ENTRY, fileWith, folderWith, load, refusal } from '../../support/config-folder.ts';

const KEY = randomBytes(32).toString('base64');
const key = SealingKey.parse(new Secret(KEY), 'test');

function sealed(place: SealedPlace, by = key): { sealed: string } {
  return { sealed: by.seal(new Secret(CANARY), place) };
}

const IN_PROD = { cluster: 'prod', key: 'token_secret' } as const;
const FILES = { 'clusters.json': fileWith({ token_secret: sealed(IN_PROD) }) };

function problemOf(text: string, env: Record<string, string> = { CLUSTERS_KEY: KEY }) {
  const { problems } = refusal({
    files: { 'clusters.json': fileWith({ token_secret: { sealed: text } }) },
    env,
  });
  expect(JSON.stringify(problems)).not.toContain(KEY);
  expect(problems).toMatchObject([{ source: 'clusters.json', cluster: 'prod', field: 'token_secret' }]);
  return problems[0]?.message;
}

describe('a sealed secret of clusters.json', () => {
  test.each([
    ['CLUSTERS_KEY', { CLUSTERS_KEY: KEY }, {}],
    ['CLUSTERS_KEY_FILE', { CLUSTERS_KEY_FILE: 'the.key' }, { 'the.key': `${KEY}\n` }],
    ['CLUSTERS_KEY_FILE of .env', {}, { '.env': 'CLUSTERS_KEY_FILE=the.key', 'the.key': KEY }],
  ])('is opened with %s', (_name, env, files) => {
    const { credentials } = load({ files: { ...FILES, ...files }, env }).clusters[0] ?? {};
    expect(credentials?.kind === 'token' && credentials.secret.reveal()).toBe(CANARY);
    expect(JSON.stringify(credentials)).not.toContain(CANARY);
  });

  test('may be a password', () => {
    const password = sealed({ cluster: 'prod', key: 'password' });
    const files = {
      'clusters.json': fileWith({ token_id: undefined, token_secret: undefined, password }),
    };
    const { credentials } = load({ files, env: { CLUSTERS_KEY: KEY } }).clusters[0] ?? {};
    expect(credentials?.kind === 'password' && credentials.password.reveal()).toBe(CANARY);
  });

  test('has the key’s file among those whose change is a new configuration', () => {
    const cwd = folderWith({ ...FILES, 'the.key': KEY });
    const { files } = loadConfig({ env: { CLUSTERS_KEY_FILE: 'the.key' }, cwd, needsAuth: false });
    expect(files).toContain(join(cwd, 'the.key'));
  });

  test('is refused without a key, with a wrong one, altered, cut and in another form: each in its words', () => {
    const { sealed: text } = sealed(IN_PROD);
    const other = randomBytes(32).toString('hex');
    const messages = [
      problemOf(text, {}),
      problemOf(text, { CLUSTERS_KEY: other }),
      problemOf(`${text.slice(0, -4)}AAAA`),
      problemOf(text.slice(0, 30)),
      problemOf(text.replace('v1', 'v2')),
      problemOf(CANARY),
    ];
    expect(messages[0]).toMatch(new RegExp(`sealed with the key ${key.id}, and CLUSTERS_KEY is not set`));
    expect(messages[1]).toMatch(
      new RegExp(`with the key ${key.id}; CLUSTERS_KEY holds (?!${key.id})\\w{8}\\.`),
    );
    expect(messages[2]).toMatch(/^was altered or cut/);
    expect(messages[3]).toMatch(/^was cut or altered/);
    expect(messages[4]).toMatch(/^is sealed in the form v2/);
    expect(messages[5]).toMatch(/^is no sealed text/);
  });

  test('is refused where it was moved to another cluster or key, with its origin', () => {
    const clusters = { prod: ENTRY, staging: { ...ENTRY, token_secret: sealed(IN_PROD) } };
    const moved = refusal({ files: { 'clusters.json': { clusters } }, env: { CLUSTERS_KEY: KEY } });
    expect(moved.problems).toMatchObject([
      { cluster: 'staging', message: expect.stringContaining('was sealed for cluster "prod", token_secret') },
    ]);
    const password = fileWith({ token_id: undefined, token_secret: undefined, password: sealed(IN_PROD) });
    const field = refusal({ files: { 'clusters.json': password }, env: { CLUSTERS_KEY: KEY } });
    expect(field.problems).toMatchObject([
      { field: 'password', message: expect.stringContaining('was sealed for cluster "prod", token_secret') },
    ]);
  });

  test.each([
    ['is no key', { CLUSTERS_KEY: CANARY }],
    ['is in a file that is not there', { CLUSTERS_KEY_FILE: 'gone' }],
    ['is set twice', { CLUSTERS_KEY: KEY, CLUSTERS_KEY_FILE: 'gone' }],
  ])('is one problem, of the key alone, where the key %s', (_what, env: Record<string, string>) => {
    const staging = { ...ENTRY, token_secret: sealed({ cluster: 'staging', key: 'token_secret' }) };
    const prod = { ...ENTRY, token_secret: sealed(IN_PROD) };
    const { problems } = refusal({ files: { 'clusters.json': { clusters: { prod, staging } } }, env });
    expect(problems).toMatchObject([
      { source: 'environment', field: expect.stringMatching(/^CLUSTERS_KEY/) },
    ]);
  });

  test('still must be fit for a header', () => {
    const text = key.seal(new Secret('two words'), IN_PROD);
    expect(problemOf(text)).toContain('holds a blank');
  });

  test.each([{ sealed: '' }, { sealed: 5 }, { sealed: 'v1.x', env: 'X' }])('is not %j', (token_secret) => {
    const { problems } = refusal({ files: { 'clusters.json': fileWith({ token_secret }) } });
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]).toMatchObject({ cluster: 'prod' });
  });
});

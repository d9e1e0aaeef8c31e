import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askDrafts } from '../../src/cli/init-questions.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { CANARY, fileWith, folderWith } from '../support/config-folder.ts';
import { freePort, runCli } from './cli-process.ts';

let simulator: Simulator;
let staging: SimulatedCluster;

beforeAll(async () => {
  simulator = await startSimulator({ authDelaySeconds: 0 });
  staging = simulator.cluster('staging');
});
afterAll(() => simulator.close());

interface Options {
  cwd?: string;
  secret?: string;
  url?: string;
  tls?: string[];
  more?: string[];
}

async function init({ cwd = folderWith(), secret = staging.tokenSecret, ...options }: Options = {}) {
  const { url = staging.url, tls = ['--fingerprint', staging.fingerprint], more = [] } = options;
  const args = [
    'init',
    '--yes',
    '--name',
    'staging',
    '--url',
    url,
    '--token-id',
    'mcp@pve!mcp',
    ...tls,
    ...more,
  ];
  const secretFile = ['--token-secret-file', '-'];
  return { cwd, ...(await runCli([...args, ...secretFile], { cwd, input: `${secret}\n` })) };
}

const clustersOf = (cwd: string) => JSON.parse(readFileSync(join(cwd, 'clusters.json'), 'utf8')).clusters;

describe('init --yes', () => {
  it('writes both files with mode 600, and check is content with them', async () => {
    const { cwd, code, stdout, stderr } = await init();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(readdirSync(cwd).sort()).toEqual(['.env', 'clusters.json']);
    for (const file of readdirSync(cwd)) expect(statSync(join(cwd, file)).mode & 0o777).toBe(0o600);
    expect(clustersOf(cwd)).toEqual({
      staging: {
        url: staging.url,
        user: 'mcp@pve',
        token_id: 'mcp',
        token_secret: staging.tokenSecret,
        fingerprint: staging.fingerprint,
      },
    });
    expect(stdout).toMatch(/main\.ts check\n/);
    expect(stdout).not.toContain(staging.tokenSecret);
    const check = await runCli(['check', '--json'], { cwd });
    expect(JSON.parse(check.stdout)).toMatchObject({ ok: true, notes: [] });
    const token = await runCli(['token', '--subject', 'me'], { cwd });
    expect(token.code).toBe(0);
  });

  it('adds to what is there, and replaces a cluster with --force alone', async () => {
    const cwd = folderWith({ 'clusters.json': fileWith(), '.env': 'MCP_PORT=9000\n' });
    expect((await init({ cwd })).code).toBe(0);
    expect(Object.keys(clustersOf(cwd))).toEqual(['prod', 'staging']);
    const before = readFileSync(join(cwd, 'clusters.json'), 'utf8');
    const env = readFileSync(join(cwd, '.env'), 'utf8');
    const again = await init({ cwd });
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/describes a cluster staging already; nothing was written[\s\S]*--force/);
    expect(readFileSync(join(cwd, 'clusters.json'), 'utf8')).toBe(before);
    expect((await init({ cwd, tls: ['--no-verify'], more: ['--force'] })).code).toBe(0);
    expect(clustersOf(cwd).staging.verify_ssl).toBe(false);
    expect(readFileSync(join(cwd, '.env'), 'utf8')).toBe(env);
  });

  it('writes nothing where the connection fails, unless it is not to be tried', async () => {
    const url = `127.0.0.1:${await freePort()}`;
    const { cwd, code, stderr } = await init({ url });
    expect(code).toBe(1);
    expect(stderr).toMatch(/refused the connection[\s\S]*Nothing was written[\s\S]*--skip-test/);
    expect(readdirSync(cwd)).toEqual([]);
    expect((await init({ cwd, url, more: ['--skip-test'] })).code).toBe(0);
    expect(clustersOf(cwd).staging.url).toBe(url);
  });

  it('shows the fingerprint of a certificate that it can not trust', async () => {
    const { cwd, code, stderr } = await init({ tls: [] });
    expect(code).toBe(1);
    expect(stderr).toContain(staging.fingerprint);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('takes a CA file, as an absolute path', async () => {
    const cwd = folderWith({ 'ca.pem': staging.certificatePem });
    expect((await init({ cwd, tls: ['--ca-file', 'ca.pem'] })).code).toBe(0);
    expect(clustersOf(cwd).staging.ca_file).toBe(join(cwd, 'ca.pem'));
  });

  it('warns of missing privileges, and writes', async () => {
    const { cwd, code, stderr } = await init({
      secret: staging.limitedTokenSecret,
      more: ['--token-id', 'mcp@pve!limited'],
    });
    expect(code).toBe(0);
    expect(stderr).toContain('mcp@pve!limited has no privileges at all');
    expect(existsSync(join(cwd, 'clusters.json'))).toBe(true);
  });

  it('refuses a wrong secret without printing it', async () => {
    const { code, stdout, stderr } = await init({ secret: CANARY });
    expect(code).toBe(1);
    expect(stderr).toContain('Nothing was written.');
    expect(stdout + stderr).not.toContain(CANARY);
  });

  it.each([
    [['--name', 'a b'], /--name must begin with a letter/],
    [['--url', 'http://pve1'], /url must be https/],
    [['--token-id', 'mcp'], /--token-id must be user@realm!name/],
    [['--ca-file', '/nonexistent'], /Give one of/],
    [['--fingerprint', 'AB:CD'], /fingerprint must be a SHA-256/],
  ])('refuses %j as a usage error', async (more, message) => {
    const { cwd, code, stderr } = await init({ more });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('names the options that are missing', async () => {
    const { code, stderr } = await runCli(['init', '--yes', '--name', 'x'], { cwd: folderWith() });
    expect(code).toBe(2);
    expect(stderr).toContain('--url, --token-id, --token-secret-file');
  });

  it('leaves a broken clusters.json alone', async () => {
    const cwd = folderWith();
    writeFileSync(join(cwd, 'clusters.json'), '{broken');
    expect((await init({ cwd })).code).toBe(1);
    expect(readFileSync(join(cwd, 'clusters.json'), 'utf8')).toBe('{broken');
    expect(readdirSync(cwd)).toEqual(['clusters.json']);
  });
});

describe('init without a terminal', () => {
  it('asks for --yes, and writes nothing', async () => {
    const cwd = folderWith();
    const { code, stderr } = await runCli(['init'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('--yes');
    expect(readdirSync(cwd)).toEqual([]);
  });
});

const ENTER = '\r';
const DOWN = '\x1b[B';
const CTRL_C = '\x03';
const CLEAR = '\x15';
const KEY = new RegExp(`${DOWN.replace('[', '\\[')}|[\\s\\S]`, 'g');

/** A terminal made of streams: waits for each question, then types the answer. */
function terminal(answers: readonly (readonly [question: RegExp, keys: string])[]) {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 200, rows: 50 });
  let shown = '';
  output.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  const typing = (async () => {
    for (const [question, keys] of answers) {
      while (!question.test(shown)) await sleep(10);
      shown = '';
      await sleep(30);
      for (const key of keys.match(KEY) ?? []) {
        input.write(key);
        await sleep(2);
      }
    }
  })();
  return { streams: { input, output }, typing, text: () => shown };
}

describe('init with questions', () => {
  const none = { path: '', content: {}, names: [] };
  const toCertificate = (secret: string): [RegExp, string][] => [
    [/Name of the cluster/, `${CLEAR}staging${ENTER}`],
    [/Address of one/, `${staging.url}${ENTER}`],
    [/API token/, ENTER],
    [/Secret of the token/, `${secret}${ENTER}`],
  ];

  /** Every proposal is taken as it stands. */
  const again = (secret: string): [RegExp, string][] => [
    [/Name of the cluster[\s\S]*staging/, ENTER],
    [/Address of one[\s\S]*127\.0\.0\.1/, ENTER],
    [/API token/, ENTER],
    [/Secret of the token/, `${secret}${ENTER}`],
  ];

  it('shows the fingerprint, pins it, tests, and asks for another', async () => {
    const { streams, typing } = terminal([
      ...toCertificate(staging.tokenSecret),
      [new RegExp(`${staging.fingerprint}[\\s\\S]*How is its certificate`), ENTER],
      [/Connected: Proxmox VE[\s\S]*Add another cluster/, ENTER],
    ]);
    const drafts = await askDrafts(none, {}, streams);
    await typing;
    const { url, fingerprint, tokenSecret } = staging;
    expect(drafts).toEqual([
      {
        name: 'staging',
        entry: { url, fingerprint, user: 'mcp@pve', token_id: 'mcp', token_secret: tokenSecret },
      },
    ]);
  });

  it('says what is wrong with a secret, and lets it be entered again', async () => {
    const { streams, typing } = terminal([
      ...toCertificate(CANARY),
      [/How is its certificate/, ENTER],
      [/What now/, ENTER],
      ...again(staging.tokenSecret),
      [/How is its certificate/, `${DOWN}${DOWN}${DOWN}${ENTER}`],
      [/Add another cluster/, ENTER],
    ]);
    const drafts = await askDrafts(none, {}, streams);
    await typing;
    expect(drafts.map(({ entry }) => entry.token_secret)).toEqual([staging.tokenSecret]);
    expect(drafts[0]?.entry.verify_ssl).toBe(false);
  });

  it('gives nothing when it is cancelled', async () => {
    const { streams, typing } = terminal([
      ...toCertificate(staging.tokenSecret),
      [/How is its certificate/, CTRL_C],
    ]);
    await expect(askDrafts(none, {}, streams)).rejects.toThrow('Cancelled: nothing was written.');
    await typing;
  });

  it('asks for a second cluster again as for the first, and proposes what was typed', async () => {
    const production = simulator.cluster('production');
    const { streams, typing } = terminal([
      [/Name of the cluster[\s\S]*production/, ENTER],
      [/Address of one/, `${production.url}${ENTER}`],
      [/API token/, ENTER],
      [/Secret of the token/, `${production.tokenSecret}${ENTER}`],
      [/How is its certificate/, ENTER],
      [/Add another cluster/, `y`],
      // No CLEAR: a name that is taken is not proposed.
      [/Name of the cluster/, `staging${ENTER}`],
      [/Address of one/, `${staging.url}${ENTER}`],
      [/API token/, ENTER],
      [/Secret of the token/, `${CANARY}${ENTER}`],
      [/How is its certificate/, `${DOWN}${DOWN}${DOWN}${ENTER}`],
      [/What now/, ENTER],
      ...again(staging.tokenSecret),
      [/How is its certificate/, ENTER],
      [/Add another cluster/, ENTER],
    ]);
    const drafts = await askDrafts(none, {}, streams);
    await typing;
    expect(drafts.map(({ name, entry }) => [name, entry.url, entry.token_secret])).toEqual([
      ['production', production.url, production.tokenSecret],
      ['staging', staging.url, staging.tokenSecret],
    ]);
    expect(drafts[1]?.entry.verify_ssl).toBe(false);
  });

  it('asks for another name where a cluster of this run is not to be replaced', async () => {
    const { streams, typing } = terminal([
      ...toCertificate(staging.tokenSecret),
      [/How is its certificate/, ENTER],
      [/Add another cluster/, 'y'],
      [/Name of the cluster/, `${CLEAR}staging${ENTER}`],
      [/staging is there already/, ENTER],
      [/Name of the cluster/, `${CLEAR}other${ENTER}`],
      [/Address of one/, `${staging.url}${ENTER}`],
      [/API token/, ENTER],
      [/Secret of the token/, `${staging.tokenSecret}${ENTER}`],
      [/How is its certificate/, ENTER],
      [/Add another cluster/, ENTER],
    ]);
    const drafts = await askDrafts(none, {}, streams);
    await typing;
    expect(drafts.map(({ name }) => name)).toEqual(['staging', 'other']);
  });

  it('asks before it replaces a cluster', async () => {
    const { streams, typing } = terminal([
      [/Name of the cluster/, `${CLEAR}staging${ENTER}`],
      [/staging is there already/, ENTER],
      [/Name of the cluster/, CTRL_C],
    ]);
    await expect(askDrafts({ ...none, names: ['staging'] }, {}, streams)).rejects.toThrow('Cancelled');
    await typing;
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { CANARY, folderWith } from '../support/config-folder.ts';
import { type CliSetting, freePort, runCli } from './cli-process.ts';

let simulator: Simulator;
let production: SimulatedCluster;
let staging: SimulatedCluster;

beforeAll(async () => {
  simulator = await startSimulator({ authDelaySeconds: 0 });
  production = simulator.cluster('production');
  staging = simulator.cluster('staging');
});
afterAll(() => simulator.close());

function entryOf(cluster: SimulatedCluster, changes: object = {}): object {
  const { url, endpoints, user, tokenId, tokenSecret, fingerprint } = cluster;
  const access = { url, endpoints: endpoints.slice(1), user, token_id: tokenId, token_secret: tokenSecret };
  return { ...access, fingerprint, ...changes };
}

async function check(clusters: Record<string, object>, args: string[] = [], setting: CliSetting = {}) {
  const cwd = folderWith({ 'clusters.json': { clusters }, '.env': `MCP_JWT_SECRET=${'s'.repeat(40)}\n` });
  const { code, stdout, stderr } = await runCli(['check', ...args], { cwd, ...setting });
  return { code, stdout, stderr };
}

async function checkJson(clusters: Record<string, object>, args: string[] = []) {
  const { code, stdout } = await check(clusters, ['--json', ...args]);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return { code, report: JSON.parse(stdout) };
}

describe('check', () => {
  it('is content with clusters that answer, endpoint by endpoint', async () => {
    const { code, report } = await checkJson({ production: entryOf(production), staging: entryOf(staging) });
    expect(code).toBe(0);
    expect(report).toMatchObject({ ok: true, problems: [], notes: [] });
    expect(report.clusters[0]).toMatchObject({
      name: 'production',
      identity: 'mcp@pve!mcp',
      privileges: { held: ['Sys.Audit', 'VM.Audit', 'Datastore.Audit', 'VM.PowerMgmt'], partial: [] },
      endpoints: production.endpoints.map((endpoint) => ({
        endpoint,
        reachable: true,
        version: expect.stringMatching(/^\d+\.\d+/),
        latency_ms: expect.any(Number),
        certificate_sha256: production.fingerprint,
        certificate_expires_at: expect.stringMatching(/^20\d\d-/),
      })),
    });
  });

  it('says it in lines without colour where there is no terminal', async () => {
    const { code, stdout, stderr } = await check({ staging: entryOf(staging) });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^staging {2}127\.0\.0\.1:\d+ {2}ok {2}PVE \d+\.\d+\.\d+ {2}\d+ ms {2}until 20\d\d-/,
    );
    expect(stdout).toContain('staging: mcp@pve!mcp holds Sys.Audit');
    expect(stdout.trim().endsWith('All is well: 1 cluster, 2 endpoints.')).toBe(true);
    expect(stdout).not.toContain('\x1b');
  });

  it('names a wrong secret once, and does not print it', async () => {
    const wrong = entryOf(production, { token_secret: CANARY });
    const { code, report } = await checkJson({ production: wrong, staging: entryOf(staging) });
    expect(code).toBe(1);
    expect(report.problems).toHaveLength(1);
    expect(report.problems[0]).toMatchObject({ where: 'production' });
    expect(report.problems[0].message).toMatch(/^Proxmox VE refused the API token mcp@pve!mcp \(.*\)\.$/);
    expect(report.problems[0].fix).not.toBe('');
    expect(JSON.stringify(report)).not.toContain(CANARY);
    expect(report.clusters[1].endpoints[0].reachable).toBe(true);
  });

  it('names a token without privileges, and the line that grants them', async () => {
    const { limitedTokenId, limitedTokenSecret } = staging;
    const limited = entryOf(staging, { token_id: limitedTokenId, token_secret: limitedTokenSecret });
    const { code, stdout } = await check({ staging: limited });
    expect(code).toBe(1);
    expect(stdout).toContain('mcp@pve!limited has no privileges at all');
    expect(stdout).toContain("pveum acl modify / --tokens 'mcp@pve!limited' --roles PVEAuditor");
    expect(stdout).toContain('1 problem to fix.');
  });

  it('accepts a token that only reads where the cluster is only to be read', async () => {
    const { access } = staging.state;
    const entry = { path: '/', ugid: 'mcp@pve!limited', role: 'PVEAuditor' };
    access.acl.push(entry);
    const { limitedTokenId, limitedTokenSecret } = staging;
    const token = { token_id: limitedTokenId, token_secret: limitedTokenSecret };
    const writing = await checkJson({ staging: entryOf(staging, token) });
    const reading = await checkJson({ staging: entryOf(staging, { ...token, read_only: true }) });
    access.acl.splice(access.acl.indexOf(entry), 1);
    expect(writing.report.problems.map(({ message }: { message: string }) => message)).toEqual([
      'mcp@pve!limited lacks VM.PowerMgmt, which is needed for starting, stopping and rebooting guests.',
    ]);
    expect([writing.code, reading.code]).toEqual([1, 0]);
  });

  it('names the endpoint that is down, and asks another one for the rest', async () => {
    const down = `127.0.0.1:${await freePort()}`;
    const { code, report } = await checkJson({
      staging: entryOf(staging, { url: down, endpoints: staging.endpoints }),
    });
    expect(code).toBe(1);
    expect(report.clusters[0].endpoints.map(({ reachable }: { reachable: boolean }) => reachable)).toEqual([
      false,
      true,
      true,
    ]);
    expect(report.problems).toEqual([
      {
        where: 'staging',
        message: `${down} refused the connection.`,
        fix: expect.stringContaining('8006'),
      },
    ]);
    expect(report.clusters[0].privileges.held).toContain('VM.Audit');
  });

  it('shows the certificate that is not the pinned one', async () => {
    const fingerprint = production.fingerprint;
    const { code, report } = await checkJson({ staging: entryOf(staging, { fingerprint, endpoints: [] }) });
    expect(code).toBe(1);
    expect(report.problems[0].message).toContain(staging.fingerprint);
    expect(report.problems[0].fix).toContain('pvenode cert info');
  });

  it('notes that any certificate is accepted, with the fingerprint to pin', async () => {
    const open = { fingerprint: undefined, verify_ssl: false, endpoints: [] };
    const { code, report } = await checkJson({ staging: entryOf(staging, open) });
    expect(code).toBe(0);
    expect(report.clusters[0].notes).toEqual([expect.stringContaining(staging.fingerprint)]);
    expect(report.notes).toEqual([expect.stringContaining('verify_ssl is false')]);
  });

  it('checks one cluster where one is named, and suggests the near one', async () => {
    const clusters = {
      production: entryOf(production, { token_secret: 'wrong' }),
      staging: entryOf(staging),
    };
    const { code, report } = await checkJson(clusters, ['--cluster', 'staging']);
    expect(code).toBe(0);
    expect(report.clusters.map(({ name }: { name: string }) => name)).toEqual(['staging']);
    const unknown = await check(clusters, ['--cluster', 'stagin']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('There is no cluster "stagin". Did you mean "staging"?');
  });

  it('notes a missing MCP_JWT_SECRET, and refuses one that is too short', async () => {
    const files = { 'clusters.json': { clusters: { staging: entryOf(staging) } } };
    const without = await runCli(['check', '--json'], { cwd: folderWith(files) });
    expect(without.code).toBe(0);
    expect(JSON.parse(without.stdout).notes).toEqual([expect.stringContaining('MCP_JWT_SECRET is not set')]);
    const short = await runCli(['check', '--json'], {
      cwd: folderWith(files),
      env: { MCP_JWT_SECRET: CANARY },
    });
    expect(short.code).toBe(1);
    expect(JSON.parse(short.stdout).problems[0].message).toContain(
      'MCP_JWT_SECRET: is shorter than 32 bytes',
    );
    expect(short.stdout + short.stderr).not.toContain(CANARY);
  });

  it('notes a misspelt setting, and names .env where that is what to correct', async () => {
    const files = { 'clusters.json': { clusters: { staging: entryOf(staging) } } };
    const dotEnv = `MCP_JWT_SECRET=${'s'.repeat(40)}\nMCP_REDA_ONLY=true\n`;
    const misspelt = await runCli(['check'], { cwd: folderWith({ ...files, '.env': dotEnv }) });
    expect(misspelt.code).toBe(0);
    expect(misspelt.stdout).toContain(
      'MCP_REDA_ONLY is not a setting of this service: did you mean MCP_READ_ONLY?',
    );
    const wrong = await runCli(['check', '--json'], {
      cwd: folderWith({ ...files, '.env': 'MCP_READ_ONLY=maybe\n' }),
      env: { MCP_PORT: 'x' },
    });
    expect(JSON.parse(wrong.stdout).problems).toMatchObject([
      { message: expect.stringContaining('MCP_PORT'), fix: 'Correct it in: environment' },
      { message: expect.stringContaining('MCP_READ_ONLY'), fix: 'Correct it in: .env' },
    ]);
  });

  it('tells machines too what is wrong with the configuration', async () => {
    const { code, report } = await checkJson({ staging: entryOf(staging, { finger_print: 'x' }) });
    expect(code).toBe(2);
    expect(report).toMatchObject({ ok: false, clusters: [] });
    expect(report.problems[0].message).toContain('staging, finger_print: is not a known key.');
  });
});

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderWith } from '../support/config-folder.ts';
import { CliProcess, type CliSetting, freePort, runCli } from './cli-process.ts';

interface DemoLine {
  url: string;
  sse_url: string;
  token: string;
  read_only_token: string;
  clusters: Record<string, string>[];
}

/** Tests have all levels in the log. */
const BY_DEFAULT = { env: { LOG_LEVEL: 'warn' } };

async function startDemo(args: string[] = [], setting: CliSetting = {}) {
  // A temporary folder of its own, so that what it leaves there can be seen.
  const temp = folderWith();
  const demo = new CliProcess(['demo', '--json', '--task-seconds', '0.2', ...args], {
    ...setting,
    env: { TMPDIR: temp, ...setting.env },
  });
  const [line] = await demo.shows('stdout', /^.*\n/);
  return { demo, temp, line: JSON.parse(line) as DemoLine };
}

function call(line: DemoLine, tool: string, args: object, token = line.token) {
  const command = ['call', tool, '--args', JSON.stringify(args), '--url', line.url, '--json'];
  return runCli(command, { env: { MCP_TOKEN: token } });
}

async function state(line: DemoLine): Promise<string> {
  const path = '/nodes/pve2/qemu/103/status/current';
  const { stdout } = await call(line, 'proxmox_api_call', { cluster: 'production', path });
  return JSON.parse(stdout).data.status;
}

describe('demo --json', () => {
  it('prints what DESIGN.md promises and nothing else, and serves it', async () => {
    const { demo, line } = await startDemo([], BY_DEFAULT);
    expect(Object.keys(line)).toEqual([
      'url',
      'sse_url',
      'token',
      'read_only_token',
      'clusters',
      'approver_token',
    ]);
    expect(line.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mcp$/);
    expect(line.sse_url).toBe(line.url.replace(/mcp$/, 'sse'));
    expect(line.clusters.map(({ name }) => name)).toEqual(['production', 'staging', 'disaster-recovery']);
    for (const cluster of line.clusters) {
      expect(Object.keys(cluster)).toEqual([
        'name',
        'url',
        'user',
        'token_id',
        'token_secret',
        'fingerprint',
      ]);
    }
    const { code, stdout } = await call(line, 'list_clusters', {});
    expect(code).toBe(0);
    expect(JSON.parse(stdout).clusters).toHaveLength(3);
    expect(JSON.parse(stdout).clusters.every(({ reachable }: { reachable: boolean }) => reachable)).toBe(
      true,
    );
    expect(demo.stdout.split('\n')).toHaveLength(2);
    expect(demo.stderr).toBe('');
  });

  it('offers the toolsets that are asked for', async () => {
    const { line } = await startDemo([], { env: { MCP_TOOLSETS: 'metrics' } });
    const metrics = { cluster: 'production', node: 'pve1' };
    expect((await call(line, 'get_metrics', metrics)).code).toBe(0);
    const off = await call(line, 'find_guests', {});
    expect(off.code).not.toBe(0);
    expect(off.stderr).toContain('toolset inventory');
  });

  it('starts a guest, and shows it running', async () => {
    const { line } = await startDemo();
    expect(await state(line)).toBe('stopped');
    const path = '/nodes/pve2/qemu/103/status/start';
    const started = await call(line, 'proxmox_api_call', { cluster: 'production', path, method: 'POST' });
    const { task } = JSON.parse(started.stdout);
    const waited = await call(line, 'wait_task', { cluster: 'production', upid: task.upid });
    expect(JSON.parse(waited.stdout).task.status).toBe('ok');
    expect(await state(line)).toBe('running');
  });

  it('has a second token, for another subject, that reads alone', async () => {
    const { line } = await startDemo();
    const [subject, reader] = [line.token, line.read_only_token].map(
      (token) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).sub,
    );
    expect(subject).not.toBe(reader);
    const path = '/nodes/pve2/qemu/103/status/start';
    const args = { cluster: 'production', path, method: 'POST' };
    const refused = await call(line, 'proxmox_api_call', args, line.read_only_token);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout).error.code).toBe('POLICY_DENIED');
    expect(await state(line)).toBe('stopped');
  });

  it('keeps its files to itself, and leaves nothing behind', async () => {
    const { demo, temp, line } = await startDemo([], BY_DEFAULT);
    const [folder = ''] = readdirSync(temp);
    expect(readdirSync(temp)).toHaveLength(1);
    for (const file of ['clusters.json', '.env']) {
      expect(statSync(join(temp, folder, file)).mode & 0o777).toBe(0o600);
    }
    const check = await runCli(['check', '--json'], { cwd: join(temp, folder) });
    expect(JSON.parse(check.stdout)).toMatchObject({ ok: true, notes: [] });
    const env = readFileSync(join(temp, folder, '.env'), 'utf8');
    expect(line.token).not.toContain(env.split('=')[1]?.trim());

    const startedAt = performance.now();
    const { code, stderr } = await demo.stop();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(readdirSync(temp)).toEqual([]);
    await expect(fetch(line.url)).rejects.toThrow('fetch failed');
  });

  it('runs twice at once', async () => {
    const [one, two] = await Promise.all([startDemo(), startDemo()]);
    expect(one.line.url).not.toBe(two.line.url);
    expect(one.line.clusters.map(({ url }) => url)).not.toEqual(two.line.clusters.map(({ url }) => url));
    const ends = await Promise.all([
      call(one.line, 'list_clusters', {}),
      call(two.line, 'list_clusters', {}),
    ]);
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    const foreign = await call(one.line, 'list_clusters', {}, two.line.token);
    expect(foreign.code).toBe(3);
    expect(await one.demo.stop()).toMatchObject({ code: 0 });
    expect((await call(two.line, 'list_clusters', {})).code).toBe(0);
  });

  it('takes MCP_PORT, and says when that is in use', async () => {
    const port = await freePort();
    const env = { MCP_PORT: String(port) };
    const { line } = await startDemo([], { env });
    expect(line.url).toBe(`http://127.0.0.1:${port}/mcp`);
    const temp = folderWith();
    const second = await runCli(['demo', '--json'], { env: { ...env, TMPDIR: temp } });
    expect(second.code).toBe(1);
    expect(second.stdout).toBe('');
    expect(second.stderr).toContain(`Port ${port} on 127.0.0.1 is in use`);
    expect(readdirSync(temp)).toEqual([]);
  });
});

describe('demo for a person', () => {
  it('prints commands that work when they are pasted, and settings for every client', async () => {
    const demo = new CliProcess(['demo', '--task-seconds', '0'], { env: { MCP_PORT: '0' } });
    await demo.shows('stdout', /Ctrl-C stops it/);
    for (const client of ['Gemini CLI,', 'Gemini CLI over SSE', 'Cursor', 'Claude Code', 'VS Code']) {
      expect(demo.stdout).toContain(client);
    }
    for (const [setting] of demo.stdout.matchAll(/(?<=^ *)\{.*\}$/gm)) JSON.parse(setting);
    expect(demo.stdout).toMatch(/throw-away/);
    expect(demo.stdout).not.toContain('\x1b[');

    const commands = /First commands.*\n((?: {2}\S.*\n)+)/.exec(demo.stdout)?.[1] ?? '';
    const pasted = await shell(commands);
    expect(pasted.stderr).toBe('');
    expect(pasted.stdout).toMatch(/"status":"ready"/);
    expect(pasted.stdout).toMatch(/3 clusters: production, staging, disaster-recovery/);
    expect(pasted.stdout).toMatch(/"status":"running"/);
    expect(pasted.stdout).toMatch(/All is well: 3 clusters, 6 endpoints/);
    expect((await demo.stop('SIGINT')).code).toBe(0);
    expect(existsSync(/\S+(?=\/clusters\.json)/.exec(commands)?.[0] ?? tmpdir())).toBe(false);
  });
});

describe('demo on a busy port', () => {
  it('says that it listens elsewhere', async () => {
    const other = createServer();
    // Where something listens on it already, that will do.
    await new Promise<void>((done) =>
      other.once('error', () => done()).listen(8000, '127.0.0.1', () => done()),
    );
    const demo = new CliProcess(['demo', '--task-seconds', '0']);
    await demo.shows('stdout', /Ctrl-C stops it/);
    other.close();
    const port = /http:\/\/127\.0\.0\.1:(\d+)\/mcp/.exec(demo.stdout)?.[1];
    expect(port).not.toBe('8000');
    expect(demo.stdout).toContain(`Port 8000 is in use, so this demo listens on ${port}`);
  });

  it('says nothing of it where the port was chosen', async () => {
    const demo = new CliProcess(['demo', '--task-seconds', '0'], { env: { MCP_PORT: '0' } });
    await demo.shows('stdout', /Ctrl-C stops it/);
    expect(demo.stdout).not.toContain('in use');
  });
});

async function shell(commands: string): Promise<{ stdout: string; stderr: string }> {
  const { execFile } = await import('node:child_process');
  return new Promise((done) => {
    execFile('bash', ['-c', commands], { cwd: tmpdir() }, (_error, stdout, stderr) =>
      done({ stdout, stderr }),
    );
  });
}

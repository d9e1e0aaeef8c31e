import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderWith } from '../support/config-folder.ts';
import { CliProcess, runCli } from './cli-process.ts';

const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'));

describe('proxmox-mcp', () => {
  it('says its version', async () => {
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  it.each([['--help'], ['help'], ['serve', '--help'], ['help', 'call']])(
    'shows help for %s',
    async (...args) => {
      const { code, stdout, stderr } = await runCli(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^Usage: proxmox-mcp/);
      expect(stdout).not.toContain('\x1b');
    },
  );

  it('suggests the command that was meant', async () => {
    const { code, stdout, stderr } = await runCli(['serv']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Did you mean serve?');
  });

  it('shows help and gives 2 without a command', async () => {
    const { code, stderr } = await runCli([]);
    expect(code).toBe(2);
    expect(stderr).toContain('Commands:');
  });

  it('colours where it is told to, and not against NO_COLOR', async () => {
    const args = ['token', '--subject', 'x', '--lifetime', '9y'];
    expect((await runCli(args, { env: { FORCE_COLOR: '1' } })).stderr).toContain('\x1b[31merror:');
    expect((await runCli(args, { env: { NO_COLOR: '1' } })).stderr).toMatch(/^error:/);
  });

  it('takes a pipe that is closed early for no failure', async () => {
    const main = resolve(import.meta.dirname, '../../src/main.ts');
    const child = spawn(process.execPath, [main, 'call', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const code = await new Promise((ended) => child.once('close', ended));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('simulate', () => {
  it('prints clusters that another process reaches, and ends with 0', async () => {
    const simulate = new CliProcess(['simulate', '--json', '--task-seconds', '0']);
    const [line] = await simulate.shows('stdout', /^.*\n/);
    const { clusters } = JSON.parse(line);
    expect(clusters.map(({ name }: { name: string }) => name)).toEqual([
      'production',
      'staging',
      'disaster-recovery',
    ]);
    const entries = clusters.map(({ name, ...access }: { name: string }) => [name, access]);
    const cwd = folderWith({ 'clusters.json': { clusters: Object.fromEntries(entries) } });
    expect((await runCli(['check'], { cwd })).code).toBe(0);
    expect(await simulate.stop()).toEqual({ code: 0, stdout: line, stderr: '' });
  });

  it('prints a clusters.json to paste, with a port for each node from the first one on', async () => {
    // Six in a row, below the range that the system gives free ones from.
    const first = 20_000 + (process.pid % 2000) * 6;
    const simulate = new CliProcess(['simulate', '--port', String(first)]);
    await simulate.shows('stdout', /Ctrl-C stops it/);
    const file = JSON.parse(/\n\{\n[\s\S]*\n\}\n/.exec(simulate.stdout)?.[0] ?? '');
    expect(file.clusters.production).toMatchObject({
      url: `127.0.0.1:${first}`,
      endpoints: [`127.0.0.1:${first + 1}`, `127.0.0.1:${first + 2}`],
    });
    const { code, stdout } = await runCli(['check', '--json'], {
      cwd: folderWith({ 'clusters.json': file }),
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).clusters.flatMap(({ endpoints }: { endpoints: [] }) => endpoints)).toHaveLength(
      6,
    );

    const second = await runCli(['simulate', '--port', String(first)]);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/in use\.\nChoose another --port/);
  });

  it.each([
    [['--port', '65534'], 1, /can't listen/],
    [['--port', '70000'], 2, /port from 1 to 65535/],
    [['--task-seconds', 'x'], 2, /number of seconds/],
    [['--host', '192.0.2.1'], 1, /can't listen on 192\.0\.2\.1/],
  ])('refuses %j', async (args, expected, message) => {
    const { code, stderr } = await runCli(['simulate', ...args]);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('unexpected failure');
  });
});

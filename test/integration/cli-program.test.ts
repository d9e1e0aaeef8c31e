import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli-process.ts';

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

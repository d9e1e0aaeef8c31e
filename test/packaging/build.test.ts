import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CliProcess, type Ended, runCli } from '../integration/cli-process.ts';
import { folderWith } from '../support/config-folder.ts';
import { OtlpReceiver } from '../support/otlp-receiver.ts';
import { NO_REDIS, startRedis } from '../support/redis.ts';
import { ROOT } from './project.ts';

const METRICS_TOKEN = 'metrics-token-of-the-tests-0123456789';
const ENV = {
  MCP_JWT_SECRET: 'not-a-secret-but-long-enough-for-a-test',
  MCP_PORT: '0',
  AUDIT_FILE: 'audit.jsonl',
  // Nothing answers there: the service runs without its clusters.
  PROXMOX_API_URL: '127.0.0.1:1',
  PROXMOX_TOKEN_ID: 'test@pve!test',
  PROXMOX_TOKEN_SECRET: 'test',
  CLUSTER_VALIDATION: 'false',
};
/** Packages that a service without these features never needs. */
const LAZY = ['ioredis', 'prom-client', '@opentelemetry/sdk-trace-node', '@clack/prompts', 'selfsigned'];

describe('what `npm run build` makes', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-build-'));
    execFileSync(process.execPath, [join(ROOT, 'scripts/build.ts'), join(folder, 'dist')], { cwd: '/' });
    copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  });

  afterAll(() => {
    // First, as whoever looks through the folder before it goes would follow it.
    unlinkSync(join(folder, 'node_modules'));
    rmSync(folder, { recursive: true });
  });

  const entry = () => join(folder, 'dist/main.js');
  const files = () => readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' });

  /** One service, and commands in its folder. */
  function serve(env: Record<string, string> = {}) {
    const setting = {
      entry: entry(),
      cwd: folderWith(),
      env: {
        ...ENV,
        LOG_LEVEL: 'info',
        NODE_COMPILE_CACHE: join(folder, 'compiled'),
        NODE_PRESERVE_SYMLINKS: '1',
        ...env,
      },
    };
    // So that Node says what it loads.
    const told = { ...setting, env: { ...setting.env, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' } };
    const service = new CliProcess(['serve'], told);
    const run = (args: string[], more: Record<string, string> = {}) =>
      runCli(args, { ...setting, env: { ...setting.env, ...more } });
    return { service, run, url: service.shows('stderr', /"mcp":"([^"]+)"/).then(([, url = '']) => url) };
  }

  it('is few files with the names of the sources, none of which leads back to these', () => {
    expect(files().length).toBeLessThan(150);
    expect(files().filter((file) => !/\.jsonl?$|\.js$|^parts$/.test(file))).toEqual([]);
    const code = files().filter((file) => file.endsWith('.js'));
    const text = code.map((file) => readFileSync(join(folder, 'dist', file), 'utf8')).join('\n');
    // What the traces in a log name. (No text that does not fit is printed: it is megabytes.)
    const has = (wanted: string) => text.includes(wanted);
    const wanted = ['async function startService(', 'StreamableHttpDoor = class'];
    expect(wanted.filter((name) => !has(name))).toEqual([]);
    expect(['sourceMappingURL', ROOT].filter(has)).toEqual([]);
  });

  it('begins with a file that an old Node can read, to be told what it lacks', () => {
    const text = readFileSync(entry(), 'utf8');
    expect(text).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(text).toContain('proxmox-mcp needs Node');
    expect(text).not.toMatch(/^import /m);
  });

  it('has a help for every command', () => {
    const help = (...names: string[]) => {
      writeFileSync(join(folder, 'help.mjs'), HELP);
      return execFileSync(process.execPath, [join(folder, 'help.mjs'), ...names], { encoding: 'utf8' });
    };
    const [, list = ''] = help('').split('Commands:\n');
    const names = [...list.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = '']) => name);
    expect(names).toEqual(expect.arrayContaining(['serve', 'stdio', 'demo', 'check', 'audit', 'token']));
    const found = [...help(...names).matchAll(/^Usage: proxmox-mcp ([a-z]+) /gm)].map(([, name]) => name);
    expect(found).toEqual(names.filter((name) => name !== 'help'));
  });

  it('starts without what is switched off', async () => {
    const { service, url } = serve();
    await url;
    const ended = await service.stop();
    expect(ended.code).toBe(0);
    expect(loadedBy(ended)).toContain('fastify');
    expect(LAZY.filter((name) => loadedBy(ended).has(name))).toEqual([]);
    expect(ended.stderr).not.toMatch(/parts\/simulat/);
  });

  it('answers a call, and traces, counts and records it', async () => {
    const receiver = await OtlpReceiver.start();
    onTestFinished(() => receiver.close());
    const { service, url, run } = serve({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      MCP_METRICS: 'token',
      MCP_METRICS_TOKEN: METRICS_TOKEN,
    });
    const address = await url;
    const token = await run(['token', '--subject', 'test', '--scope', 'proxmox:read']);
    const call = await run(['call', 'list_clusters', '--url', address, '--json'], {
      MCP_TOKEN: token.stdout.trim(),
    });
    expect(JSON.parse(call.stdout).clusters).toMatchObject([{ reachable: false }]);
    const metrics = await fetch(new URL('/metrics', address), {
      headers: { authorization: `Bearer ${METRICS_TOKEN}` },
    });
    expect(await metrics.text()).toMatch(/tool="list_clusters"/);
    const ended = await service.stop();
    expect(ended.code).toBe(0);
    expect(receiver.spans.map(({ name }) => name)).toContain('tools/call list_clusters');
    expect(loadedBy(ended)).toContain('prom-client');
    expect(await run(['audit', 'verify'])).toMatchObject({ code: 0 });
    expect(await run(['config', 'show'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('MCP_METRICS'),
    });
  });

  it.skipIf(NO_REDIS)(`shares through Redis${NO_REDIS ? ` (${NO_REDIS})` : ''}`, async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const { service, url } = serve({ REDIS_URL: redis.url });
    await url;
    const ended = await service.stop();
    expect(ended.code).toBe(0);
    expect(loadedBy(ended)).toContain('ioredis');
  });
});

/** Prints the help of each command that is named, in one process. */
const HELP = `
process.stdout.setMaxListeners(100);
const { run } = await import('./dist/parts/program.js');
for (const name of process.argv.slice(2)) await run(['node', 'proxmox-mcp', ...(name ? [name] : []), '--help']);
`;

/** The packages of which Node says that it has loaded a file. */
function loadedBy({ stderr }: Ended): Set<string> {
  return new Set(
    [...stderr.matchAll(/\/node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\//g)].map(([, name = '']) => name),
  );
}

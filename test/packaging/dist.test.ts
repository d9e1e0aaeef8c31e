import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sizeOf } from '../../scripts/prune-dependencies.ts';
import { healthcheckScript, nodeFlags } from './dockerfile.ts';
import { buildImageLayout, type ImageLayout } from './image-layout.ts';
import { filesBelow, projectFile, ROOT } from './project.ts';

const NODE = process.execPath;

describe('what the Dockerfile puts into the image', () => {
  let layout: ImageLayout;

  beforeAll(() => {
    layout = buildImageLayout();
  }, 180_000);

  afterAll(() => layout?.remove());

  /** node, allowed to write to the image's /tmp alone: no other file, no child process, no native addon. */
  const locked = () => ['--permission', '--allow-fs-read=*', `--allow-fs-write=${layout.tmp}`, main()];
  const main = () => join(layout.app, 'dist/main.js');
  /** Neither HOME nor a PATH that leads to the project. */
  const bare = (env: Record<string, string> = {}) => ({
    cwd: '/',
    env: {
      PATH: '/usr/bin:/bin',
      TMPDIR: layout.tmp,
      NODE_ENV: 'production',
      NODE_PRESERVE_SYMLINKS: '1',
      ...env,
    },
  });

  it('has dist, package.json, the licence, production dependencies and compiled code, and nothing else', () => {
    const there = ['.compile-cache', 'LICENSE', 'dist', 'node_modules', 'package.json'];
    expect(readdirSync(layout.app).sort()).toEqual(there);
    const { dependencies, devDependencies } = JSON.parse(projectFile('package.json'));
    const isThere = (name: string) => existsSync(join(layout.app, 'node_modules', name, 'package.json'));
    expect(Object.keys(dependencies).filter((name) => !isThere(name))).toEqual([]);
    // Some are there because a production dependency brings them; these three nothing else brings.
    expect(Object.keys(devDependencies)).toEqual(expect.arrayContaining(['vitest', 'typescript', 'node']));
    expect(['vitest', 'typescript', 'node'].filter(isThere)).toEqual([]);
  });

  it('has the data files of the sources, which nothing imports', () => {
    const data = filesBelow('src').filter((path) => !path.endsWith('.ts'));
    expect(data.length).toBeGreaterThan(0);
    const isThere = (path: string) => existsSync(join(layout.app, 'dist/parts', basename(path)));
    expect(data.filter((path) => !isThere(path))).toEqual([]);
  });

  it('is the same for every processor: no native addon', () => {
    const files = readdirSync(layout.app, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => file.endsWith('.node'))).toEqual([]);
  });

  it('has compiled code that Node takes with the flags of the image', () => {
    const env = {
      NODE_COMPILE_CACHE: join(layout.app, '.compile-cache'),
      NODE_DEBUG_NATIVE: 'COMPILE_CACHE',
    };
    const options = { ...bare(env), encoding: 'utf8' } as const;
    const { stderr } = spawnSync(NODE, [...nodeFlags(), main(), '--version'], options);
    expect(stderr).toMatch(/cache for .*\/dist\/parts\/program\.js was accepted/);
  });

  it('takes 60 MB at most, in bytes and in blocks of a disk', () => {
    const parts = ['dist', 'node_modules', '.compile-cache'].map((name) => join(layout.app, name));
    const bytes = parts.reduce((sum, folder) => sum + sizeOf(folder), 0);
    const blocks = parts.reduce((sum, folder) => sum + sizeOf(folder, ({ blocks }) => blocks * 512), 0);
    expect(bytes / 1e6).toBeLessThan(60);
    expect(blocks / 1e6).toBeLessThan(60);
    // The measure would pass for nothing at all.
    expect(bytes / 1e6).toBeGreaterThan(10);
  });

  it('was pruned of nothing that a package lets Node begin at', () => {
    expect(layout.entries.length).toBeGreaterThan(500);
    const gone = layout.entries.filter((path) => !existsSync(join(layout.app, 'node_modules', path)));
    expect(gone).toEqual([]);
  });

  it('can load every module of its own, every dependency, and what traces are sent with', () => {
    writeFileSync(join(layout.app, '../load-all.mjs'), LOAD_ALL);
    const said = execFileSync(NODE, [join(layout.app, '../load-all.mjs')], { ...bare(), encoding: 'utf8' });
    const { modules, dependencies, failed, traces } = JSON.parse(said);
    expect(failed).toEqual([]);
    expect(modules).toBeGreaterThan(50);
    expect(dependencies).toBeGreaterThan(20);
    expect(traces).toBe('function');
  });

  it('says its version', () => {
    const { version } = JSON.parse(projectFile('package.json'));
    expect(execFileSync(NODE, [...locked(), '--version'], { ...bare(), encoding: 'utf8' })).toBe(
      `${version}\n`,
    );
  });

  it('runs the demo and answers a call, with nothing but /tmp to write to', async () => {
    const demo = spawn(NODE, [...locked(), 'demo', '--json'], {
      ...bare(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(demo, 'exit');
    try {
      const { url, token } = JSON.parse(await firstLine(demo));
      const answer = execFileSync(NODE, [...locked(), 'call', 'list_clusters', '--url', url, '--json'], {
        ...bare({ MCP_TOKEN: token }),
        encoding: 'utf8',
      });
      const { clusters } = JSON.parse(answer);
      expect(clusters.map(({ reachable }: { reachable: boolean }) => reachable)).toEqual([true, true, true]);
    } finally {
      demo.kill('SIGTERM');
    }
    expect(await exited).toEqual([0, null]);
    expect(readdirSync(layout.tmp)).toEqual([]);
  });

  it('passes .ci/smoke, with a stand-in for docker', async () => {
    const state = join(layout.app, '..');
    mkdirSync(join(state, 'config'), { recursive: true });
    const smoke = spawn('bash', [join(ROOT, '.ci/smoke'), 'proxmox-mcp:test'], {
      cwd: '/',
      env: {
        PATH: [join(import.meta.dirname, 'stand-in'), join(NODE, '..'), '/usr/bin:/bin'].join(delimiter),
        STAND_IN: state,
        IMAGE_ENV: `NODE_ENV=production MCP_HOST=127.0.0.1 MCP_PORT=${await freePort()}`,
        HEALTHCHECK: healthcheckScript(),
        TMPDIR: layout.tmp,
      },
    });
    let output = '';
    for (const stream of [smoke.stdout, smoke.stderr]) stream.on('data', (chunk) => (output += chunk));
    const [code] = await once(smoke, 'close');
    expect(output).toMatch(/three clusters answer[\s\S]*\/qemu\/\d+ runs[\s\S]*smoke: passed\n$/);
    expect(code).toBe(0);
  }, 60_000);
});

/** Imports all there is. The v1 SDK has no module of its own name. */
const LOAD_ALL = `
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const app = new URL('app/', import.meta.url);
const from = createRequire(new URL('dist/main.js', app));
const failed = [];
const load = (name, url) => import(url).catch((error) => { failed.push(name + ': ' + error.message); return {}; });
const files = readdirSync(new URL('dist', app), { recursive: true }).filter((name) => /^(?!main).*\\.js$/.test(name));
for (const name of files) await load(name, new URL('dist/' + name, app));
const { dependencies } = JSON.parse(readFileSync(new URL('package.json', app), 'utf8'));
const names = Object.keys(dependencies).filter((name) => name !== '@modelcontextprotocol/sdk');
const own = Object.fromEntries(await Promise.all(names.map(async (name) =>
  [name, await load(name, pathToFileURL(from.resolve(name)))])));
const { OTLPTraceExporter } = own['@opentelemetry/exporter-trace-otlp-http'];
const exporter = new OTLPTraceExporter({ url: 'http://127.0.0.1:9/v1/traces' });
const provider = new own['@opentelemetry/sdk-trace-node'].NodeTracerProvider();
provider.getTracer('x').startSpan('y').end();
console.log(JSON.stringify({ modules: files.length, dependencies: names.length, failed, traces: typeof exporter.export }));
process.exit(0);
`;

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('its output is not piped');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('it ended without a line');
}

/** The image listens on 8000, which may be taken here. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

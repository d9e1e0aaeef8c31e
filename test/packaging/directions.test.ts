import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './project.ts';

const ROOMS = ['cli', 'http', 'mcp', 'tools', 'access', 'clusters', 'proxmox', 'catalogue', 'config'];
const PACKAGES = ['fastify', '@fastify/cors', '@modelcontextprotocol/sdk', 'undici', 'proxmox-api'];
const DEV_PACKAGES = ['vitest'];

const use = (room: string) => `import '../${room}/room.ts';`;
const useType = (room: string) =>
  `import type { room } from '../${room}/room.ts'; export type Room = typeof room;`;

/** What the house allows: every room its neighbour below, and the exceptions that are meant. */
const ALLOWED: Record<string, string> = {
  ...Object.fromEntries(ROOMS.slice(1).map((room, above) => [`src/${ROOMS[above]}/down.ts`, use(room)])),
  'src/http/far-down.ts': use('config'),
  'src/config/leaves.ts': use('audit') + use('observability'),
  'src/cli/demo.ts': use('simulator'),
  'src/cli/demo-text.ts': use('simulator'),
  'src/cli/simulate.ts': use('simulator'),
  'src/simulator/schema.ts': use('catalogue'),
  'src/tools/type.ts': useType('clusters'),
  'src/tools/facade.ts': `import 'proxmox-api';`,
  'src/mcp/sdk.ts': `import '@modelcontextprotocol/sdk';`,
  'src/http/web.ts': `import 'fastify'; import '@fastify/cors';`,
  'src/proxmox/pool.ts': `import 'undici';`,
  'src/http/app.ts': `import './plugin.ts'; export interface Parts { port: number }`,
  'src/http/plugin.ts': `import type { Parts } from './app.ts'; export type Port = Parts['port'];`,
  // The other half of the circle below, which is reported once.
  'src/config/two.ts': `import './one.ts';`,
};

/** What it forbids: the rules that have to catch a module, the module, its text. */
const FORBIDDEN: [rules: string[], module: string, text: string][] = [
  ...ROOMS.slice(1).flatMap((room, index) =>
    ROOMS.slice(0, index + 1).map((above): [string[], string, string] => [
      [`${room}-imports-nothing-above`],
      `src/${room}/up-to-${above}.ts`,
      use(above),
    ]),
  ),
  [['main-hands-over-to-cli'], 'src/main.ts', `import './cli/room.ts'; import './config/room.ts';`],
  [['config-imports-nothing-above'], 'src/config/up-by-type.ts', useType('cli')],
  [['config-imports-nothing-above'], 'src/config/up-late.ts', `await import('../cli/room.ts');`],
  [['http-imports-nothing-above'], 'src/http/up-to-main.ts', `import '../main.ts';`],
  [['leaves-import-nothing-of-ours'], 'src/audit/own.ts', use('config')],
  [['leaves-import-nothing-of-ours'], 'src/observability/own.ts', use('audit')],
  [['simulator-knows-the-catalogue-alone'], 'src/simulator/config.ts', use('config')],
  [['simulator-knows-the-catalogue-alone'], 'src/simulator/engine.ts', use('proxmox')],
  [['simulator-is-for-demo-and-simulate'], 'src/cli/serve.ts', use('simulator')],
  [['simulator-is-for-demo-and-simulate'], 'src/clusters/simulated.ts', use('simulator')],
  [['tools-reach-clusters-through-the-gate'], 'src/tools/around.ts', use('clusters')],
  [['tools-know-no-transport'], 'src/tools/web.ts', `import 'fastify';`],
  [['tools-know-no-transport'], 'src/tools/plugin.ts', `import '@fastify/cors';`],
  [['tools-know-no-transport', 'sdk-only-in-mcp'], 'src/tools/sdk.ts', `import '@modelcontextprotocol/sdk';`],
  [['sdk-only-in-mcp'], 'src/http/sdk.ts', `import '@modelcontextprotocol/sdk';`],
  [['undici-only-in-proxmox'], 'src/clusters/fetch.ts', `import 'undici';`],
  [['no-circles'], 'src/config/one.ts', `import './two.ts';`],
  [['no-dev-dependency'], 'src/config/dev.ts', `import 'vitest';`],
  [['only-what-exists', 'only-declared-packages'], 'src/config/undeclared.ts', `import 'not-installed';`],
  [['only-what-exists', 'only-declared-packages'], 'src/config/missing.ts', `import './nowhere.ts';`],
  [['sources-know-no-test'], 'src/config/tested.ts', `import '../../test/helper.ts';`],
];

describe('.dependency-cruiser.js', () => {
  let house: string;

  beforeAll(() => {
    house = mkdtempSync(join(tmpdir(), 'proxmox-mcp-house-'));
    for (const [path, text] of Object.entries(houseFiles())) {
      mkdirSync(dirname(join(house, path)), { recursive: true });
      writeFileSync(join(house, path), text);
    }
    cpSync(join(ROOT, 'tsconfig.json'), join(house, 'tsconfig.json'));
  });

  afterAll(() => rmSync(house, { recursive: true, force: true }));

  it('catches every kind of violation, and nothing that is allowed', () => {
    const wanted = FORBIDDEN.flatMap(([rules, module]) => rules.map((rule) => `${rule}: ${module}`));
    expect(cruise(house).sort()).toEqual(wanted.sort());
  });
});

function houseFiles(): Record<string, string> {
  const rooms = [...ROOMS, 'audit', 'observability', 'simulator'];
  const packages = [...PACKAGES, ...DEV_PACKAGES].flatMap((name): [string, string][] => [
    [`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' })],
    [`node_modules/${name}/index.js`, ''],
  ]);
  const versions = (names: string[]) => Object.fromEntries(names.map((name) => [name, '1.0.0']));
  return {
    'package.json': JSON.stringify({
      type: 'module',
      dependencies: versions(PACKAGES),
      devDependencies: versions(DEV_PACKAGES),
    }),
    'test/helper.ts': 'export {};',
    ...Object.fromEntries(rooms.map((room) => [`src/${room}/room.ts`, 'export const room = 1;'])),
    ...Object.fromEntries(packages),
    ...ALLOWED,
    ...Object.fromEntries(FORBIDDEN.map(([, module, text]) => [module, text])),
  };
}

/** Each finding as `rule: module`. */
function cruise(folder: string): string[] {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(ROOT, 'node_modules/.bin/depcruise'),
      'src',
      '--config',
      join(ROOT, '.dependency-cruiser.js'),
      '--output-type',
      'json',
    ],
    { cwd: folder, encoding: 'utf8', timeout: 15_000 },
  );
  expect(stderr).toBe('');
  const { summary } = JSON.parse(stdout) as {
    summary: { violations: { from: string; rule: { name: string } }[] };
  };
  return summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
}

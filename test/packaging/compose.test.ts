import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { DCLinter } from 'dclint';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { folderWith } from '../support/config-folder.ts';
import { projectFile, ROOT, serviceVariables } from './project.ts';

interface ComposeFile {
  services: Record<string, ComposeService>;
  secrets: Record<string, { file: string }>;
}

interface ComposeService {
  image: string;
  user: string;
  secrets: string[];
  environment: Record<string, string>;
  ports: string[];
  healthcheck: { test: string[] };
  restart: string;
  read_only: boolean;
  tmpfs: string[];
  cap_drop: string[];
  security_opt: string[];
  deploy: { resources: { limits: { cpus: string; memory: string; pids: number } } };
}

const text = projectFile('docker-compose.yml');
const { service, secrets } = read(text);
/** With the lines that are there to be uncommented: `#name`, where prose is `# words`. */
const whole = text.replace(/^( *)#(?![ #]|$)/gm, '$1');

function read(yaml: string): { service: ComposeService; secrets: ComposeFile['secrets'] } {
  const { services, secrets }: ComposeFile = parse(yaml);
  const service = services['proxmox-mcp'];
  if (service === undefined) throw new Error('docker-compose.yml has no service proxmox-mcp');
  return { service, secrets };
}

/**
 * dclint checks a file against the schema of the Compose specification first, then by rules of its own. It does not
 * interpolate, so it gets the file with its variables filled in.
 */
function lint(yaml: string): string[] {
  const folder = folderWith({
    'docker-compose.yml': interpolated(yaml, { PROXMOX_MCP_IMAGE: 'registry.example/mcp:1.0.0' }),
  });
  const rules = { 'require-quotes-in-ports': [1, { quoteType: 'double' }] }; // as biome formats YAML
  const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] });
  // Its type declarations can't be resolved under NodeNext.
  const results: { messages: { line: number; rule: string; message: string }[] }[] = linter.lintFiles(
    [join(folder, 'docker-compose.yml')],
    false,
  );
  return results.flatMap(({ messages }) =>
    messages.map((found) => `${found.line} ${found.rule}: ${found.message}`),
  );
}

/** Compose's interpolation: `$$`, `${NAME}`, `${NAME:-default}`. */
function interpolated(value: string, env: Record<string, string> = {}): string {
  return value.replace(/\$(?:\$|\{(\w+)(?::[-?]([^}]*))?\})/g, (whole, name?: string, fallback?: string) => {
    if (whole === '$$') return '$';
    return env[name ?? ''] || (fallback ?? '');
  });
}

describe('docker-compose.yml', () => {
  it('fits the Compose schema and the rules of dclint', () => {
    expect(lint(text)).toEqual([]);
  });

  it.each([
    ['an unknown key', '    read_only: true', '    readonly: true', 'invalid-schema'],
    ['a port on every interface', /".*:8000"/, '"8000:8000"', 'no-unbound-port-interfaces'],
  ])('would be refused with %s', (_what, right, wrong, rule) => {
    expect(lint(text.replace(right, wrong)).join('\n')).toContain(rule);
  });

  it('is a stack for Swarm as well', ({ skip }) => {
    const { status, stdout, stderr, error } = spawnSync(
      'docker',
      ['stack', 'config', '--compose-file', join(ROOT, 'docker-compose.yml')],
      { encoding: 'utf8' },
    );
    skip(
      error !== undefined || /is not a docker command|unknown/.test(stderr),
      'there is no docker client here',
    );
    expect(stderr).not.toContain('not allowed');
    expect(status).toBe(0);
    expect(parse(stdout).services['proxmox-mcp']).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      init: true,
    });
  });

  it('can be pasted into a stack editor: an image and no build, no file of the repository', () => {
    expect(interpolated(service.image)).toBe('proxmox-mcp:latest');
    expect(interpolated(service.image, { PROXMOX_MCP_IMAGE: 'registry.example/mcp:1' })).toBe(
      'registry.example/mcp:1',
    );
    expect(text).not.toMatch(/^\s*(?:build|env_file|extends|include|container_name):/m);
    const files = Object.values(secrets).map(({ file }) =>
      interpolated(file, { PROXMOX_MCP_SECRETS: '/srv/s' }),
    );
    expect(files.every((file) => file.startsWith('/srv/s/'))).toBe(true);
  });

  it.each([
    ['as it is', text],
    ['with every line uncommented', whole],
  ])('mounts every secret it declares, and only as a file, %s', (_how, yaml) => {
    const { service, secrets } = read(yaml);
    expect([...service.secrets].sort()).toEqual(Object.keys(secrets).sort());
    for (const [name, secret] of Object.entries(secrets)) {
      expect(Object.keys(secret)).toEqual(['file']);
      expect(interpolated(secret.file)).toBe(`./secrets/${name}`);
    }
    const mounted = Object.values(service.environment).filter((value) => value.startsWith('/run/secrets/'));
    expect(mounted.length).toBeGreaterThanOrEqual(2);
    for (const path of mounted) expect(service.secrets).toContain(path.slice('/run/secrets/'.length));
  });

  it('starts with two secrets, and has a line for each that clusters.example.json asks for', () => {
    expect(service.secrets).toEqual(['clusters.json', 'mcp_jwt_secret']);
    const example = projectFile('clusters.example.json');
    const files = [...example.matchAll(/"(?:file|ca_file)": "([^"]+)"/g)].map((match) => match[1]);
    const variables = [...example.matchAll(/"env": "([^"]+)"/g)].map((match) => `${match[1]}_FILE`);
    expect([files.length, variables.length]).toEqual([3, 1]);
    const { service: filled } = read(whole);
    expect(filled.secrets).toEqual(expect.arrayContaining(files));
    expect(Object.keys(filled.environment)).toEqual(expect.arrayContaining(variables));
  });

  it('fits the schema with every line uncommented, too', () => {
    expect(whole).not.toBe(text);
    expect(lint(whole)).toEqual([]);
  });

  it('sets only variables that the service reads, and uses only those that .env.example explains', () => {
    const known = serviceVariables();
    for (const name of [...known]) known.add(`${name}_FILE`);
    expect(Object.keys(service.environment).filter((name) => !known.has(name))).toEqual([]);
    const used = new Set([...text.matchAll(/\$\{(\w+)/g)].map((match) => match[1] ?? ''));
    const explained = projectFile('.env.example');
    expect([...used].filter((name) => !new RegExp(`^#?${name}=`, 'm').test(explained))).toEqual([]);
  });

  it('locks the container down', () => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      restart: 'unless-stopped',
    });
    expect(interpolated(service.user)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(service.tmpfs[0]).toMatch(/^\/tmp:/);
    expect(Object.keys(service.deploy.resources.limits).sort()).toEqual(['cpus', 'memory', 'pids']);
    expect(service.ports.map((port) => interpolated(port))).toEqual(['127.0.0.1:8000:8000']);
  });
});

describe('deploy/compose/docker-compose.yml, with TLS', () => {
  const secure = projectFile('deploy/compose/docker-compose.yml');
  const { services }: ComposeFile = parse(secure);
  const { caddy, 'proxmox-mcp': behind } = services;

  it('fits the Compose schema and the rules of dclint', () => {
    // Ports that everybody reaches are what Caddy is for.
    expect(lint(secure).filter((found) => !/no-unbound-port-interfaces/.test(found))).toEqual([]);
  });

  it('runs the same service as the plain file, but for its ports, its name and its proxy', () => {
    const {
      ports: _ports,
      networks: _networks,
      environment,
      logging: _log,
      ...rest
    } = { networks: [], logging: {}, ...behind };
    const {
      ports: _own,
      environment: plain,
      logging: _plain,
      healthcheck: _check,
      ...wanted
    } = { logging: {}, ...service };
    expect(rest).toEqual(wanted);
    expect(behind).not.toHaveProperty('ports');
    const { MCP_ALLOWED_HOSTS: _hosts, ...shared } = plain;
    expect(environment).toEqual({
      ...shared,
      MCP_PUBLIC_URL: expect.stringMatching(/^https:\/\/\$\{MCP_DOMAIN:\?/),
      MCP_TRUSTED_PROXIES: 'uniquelocal',
    });
  });

  it('has one door, and it is locked down', () => {
    expect(caddy).toMatchObject({ cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(caddy?.image).toMatch(/^caddy:\d+\.\d+\.\d+$/);
    expect(caddy?.ports).toEqual(['0.0.0.0:80:80', '0.0.0.0:443:443']);
  });

  it('can be pasted into a stack editor: no file of the repository', () => {
    expect(secure).not.toMatch(/^\s*(?:build|env_file|extends|include|container_name):/m);
  });
});

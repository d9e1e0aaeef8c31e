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
  ports: { host_ip: string; published: string; target: number }[];
  healthcheck: { test: string[] };
  restart: string;
  read_only: boolean;
  tmpfs: string[];
  cap_drop: string[];
  security_opt: string[];
  deploy: { resources: { limits: { cpus: string; memory: string; pids: number } } };
}

const text = projectFile('docker-compose.yml');
const compose: ComposeFile = parse(text);
const service = compose.services['proxmox-mcp'];
if (service === undefined) throw new Error('docker-compose.yml has no service proxmox-mcp');

/** dclint checks a file against the schema of the Compose specification first, then by rules of its own. */
function lint(path: string): string[] {
  const linter = new DCLinter({ rules: {}, quiet: false, debug: false, exclude: [] });
  // Its type declarations can't be resolved under NodeNext.
  const results: { messages: { line: number; rule: string; message: string }[] }[] = linter.lintFiles(
    [path],
    false,
  );
  return results.flatMap(({ messages }) =>
    messages.map((found) => `${found.line} ${found.rule}: ${found.message}`),
  );
}

/** Compose's interpolation: `$$`, `${NAME}`, `${NAME:-default}`. */
function interpolated(value: string, env: Record<string, string> = {}): string {
  return value.replace(/\$(?:\$|\{(\w+)(?::-([^}]*))?\})/g, (whole, name?: string, fallback?: string) => {
    if (whole === '$$') return '$';
    return env[name ?? ''] || (fallback ?? '');
  });
}

describe('docker-compose.yml', () => {
  it('fits the Compose schema and the rules of dclint', () => {
    expect(lint(join(ROOT, 'docker-compose.yml'))).toEqual([]);
  });

  it.each([
    ['an unknown key', '    read_only: true', '    readonly: true', 'invalid-schema'],
    [
      'a port on every interface',
      /ports:\n[\s\S]*?target: 8000/,
      "ports:\n      - '8000:8000'",
      'no-unbound',
    ],
  ])('would be refused with %s', (_what, right, wrong, rule) => {
    const folder = folderWith({ 'docker-compose.yml': text.replace(right, wrong) });
    expect(lint(join(folder, 'docker-compose.yml')).join('\n')).toContain(rule);
  });

  it('can be pasted into a stack editor: an image and no build, no file of the repository', () => {
    expect(interpolated(service.image)).toBe('proxmox-mcp:latest');
    expect(interpolated(service.image, { PROXMOX_MCP_IMAGE: 'registry.example/mcp:1' })).toBe(
      'registry.example/mcp:1',
    );
    expect(text).not.toMatch(/^\s*(?:build|env_file|extends|include|container_name):/m);
    const files = Object.values(compose.secrets).map(({ file }) =>
      interpolated(file, { PROXMOX_MCP_SECRETS: '/srv/s' }),
    );
    expect(files.every((file) => file.startsWith('/srv/s/'))).toBe(true);
  });

  it('mounts every secret it declares, and only as a file', () => {
    expect([...service.secrets].sort()).toEqual(Object.keys(compose.secrets).sort());
    for (const [name, secret] of Object.entries(compose.secrets)) {
      expect(Object.keys(secret)).toEqual(['file']);
      expect(interpolated(secret.file)).toBe(`./secrets/${name}`);
    }
    const mounted = Object.entries(service.environment).filter(([, value]) =>
      value.startsWith('/run/secrets/'),
    );
    for (const [, path] of mounted) expect(service.secrets).toContain(path.slice('/run/secrets/'.length));
    expect(mounted.map(([name]) => name)).toContain('MCP_JWT_SECRET_FILE');
  });

  it('mounts what clusters.example.json asks for', () => {
    const example = projectFile('clusters.example.json');
    const files = [...example.matchAll(/"(?:file|ca_file)": "([^"]+)"/g)].map((match) => match[1]);
    const variables = [...example.matchAll(/"env": "([^"]+)"/g)].map((match) => match[1]);
    expect(files.length).toBeGreaterThan(0);
    expect(variables.length).toBeGreaterThan(0);
    expect(service.secrets).toEqual(expect.arrayContaining(files));
    expect(Object.keys(service.environment)).toEqual(
      expect.arrayContaining(variables.map((name) => `${name}_FILE`)),
    );
  });

  it('sets only variables that the service reads, and uses only those that .env.example explains', () => {
    const known = serviceVariables();
    for (const name of ['DISASTER_RECOVERY_TOKEN', ...known]) known.add(`${name}_FILE`);
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
    expect(service.ports.map(({ host_ip }) => interpolated(host_ip))).toEqual(['127.0.0.1']);
  });
});

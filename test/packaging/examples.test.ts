import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { makeCertificate } from '../../src/simulator/certificate.ts';
import { folderWith } from '../support/config-folder.ts';
import { projectFile, serviceVariables } from './project.ts';

const SECRET = 'f'.repeat(64);

describe('clusters.example.json', () => {
  /** The folder that docker-compose.yml mounts at /run/secrets. */
  async function secretsFolder(): Promise<string> {
    const { pem } = await makeCertificate('production', 'pve1.example.com');
    return folderWith({
      'clusters.json': projectFile('clusters.example.json'),
      production_token: 'from-file-production\n',
      staging_token: 'from-file-staging',
      disaster_recovery_token: 'from-file-dr\n',
      mcp_jwt_secret: `${SECRET}\n`,
      'production_ca.pem': pem,
    });
  }

  const load = (folder: string) =>
    loadConfig({
      cwd: '/',
      env: {
        CLUSTERS_FILE: join(folder, 'clusters.json'),
        MCP_JWT_SECRET_FILE: join(folder, 'mcp_jwt_secret'),
        DISASTER_RECOVERY_TOKEN_FILE: join(folder, 'disaster_recovery_token'),
      },
    });

  it('loads as docker-compose.yml mounts it, without a warning', async () => {
    const { clusters, defaultCluster, warnings } = load(await secretsFolder());
    expect(warnings).toEqual([]);
    expect(defaultCluster).toBe('production');
    expect(clusters.map(({ name, endpoints, readOnly }) => [name, endpoints.length, readOnly])).toEqual([
      ['production', 3, false],
      ['staging', 1, false],
      ['disaster-recovery', 1, true],
    ]);
  });

  it('takes every secret from a file or a variable, and trusts no certificate blindly', async () => {
    const { clusters } = load(await secretsFolder());
    const secrets = clusters.map(({ credentials }) =>
      credentials.kind === 'token' ? credentials.secret.reveal() : undefined,
    );
    expect(secrets).toEqual(['from-file-production', 'from-file-staging', 'from-file-dr']);
    expect(
      clusters.every(({ tls }) => tls.verify && (tls.ca !== undefined || tls.fingerprint !== undefined)),
    ).toBe(true);
  });
});

describe('.env.example', () => {
  const text = projectFile('.env.example');

  /** The settings of one section, as if every `#NAME=value` of it were uncommented. */
  function section(title: string): string {
    const found = text.split(/^# --- /m).find((part) => part.startsWith(title));
    if (found === undefined) throw new Error(`.env.example has no section ${title}`);
    return found.replace(/^#(?=[A-Z][A-Za-z_]*=)/gm, '');
  }

  const load = (dotEnv: string) =>
    loadConfig({ env: {}, cwd: folderWith({ '.env': `MCP_JWT_SECRET=${SECRET}\n${dotEnv}` }) });

  it('needs but a secret and clusters to be a configuration', () => {
    expect(() => loadConfig({ env: {}, cwd: folderWith({ '.env': text }) })).toThrow(
      /MCP_JWT_SECRET: is missing/,
    );
    const { http, warnings } = load(section('Clusters, third way'));
    expect(http).toMatchObject({ host: '127.0.0.1', port: 8000 });
    expect(warnings).toEqual([]);
  });

  it('describes several clusters', () => {
    const { clusters, defaultCluster, warnings } = load(section('Clusters, second way'));
    expect(clusters.map(({ name, tier, readOnly }) => [name, tier, readOnly])).toEqual([
      ['production', 'production', false],
      ['staging', undefined, true],
    ]);
    expect(defaultCluster).toBe('production');
    expect(warnings).toEqual([]);
  });

  it.each([
    ['third', 'token'],
    ['fourth', 'password'],
  ])('describes a single one, %s way', (way, kind) => {
    const { clusters } = load(section(`Clusters, ${way} way`));
    expect(clusters.map(({ credentials }) => credentials.kind)).toEqual([kind]);
  });

  it('shows values of its other sections that are accepted', () => {
    const listens = section('Where it listens').replace(/^MCP_TLS_.*$/gm, '');
    const dotEnv = listens + section('What it does') + section('Clusters, third way');
    expect(load(dotEnv).http.publicUrl).toBe('https://mcp.example.com');
    const identityProvider = section('Who may call').replace(/^MCP_(?:JWT_SECRET|AUTH)=.*$/gm, '');
    const config = loadConfig({
      env: {},
      cwd: folderWith({
        '.env': identityProvider + section('Clusters, third way'),
        'policy.json': projectFile('policy.example.json'),
      }),
    });
    expect(config.auth.mode).toBe('jwks');
    expect(config.policy?.principals.length).toBeGreaterThan(0);
  });

  it('names every variable of the service', () => {
    const names = new Set(Object.keys(parseEnv(text.replace(/^#(?=[A-Z])/gm, ''))));
    expect([...serviceVariables()].filter((name) => !names.has(name) && !names.has(`${name}_FILE`))).toEqual(
      [],
    );
  });
});

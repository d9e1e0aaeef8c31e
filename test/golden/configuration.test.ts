import { describe, expect, it } from 'vitest';
import { SUFFIXES, TOP_VARIABLES } from '../../src/config/cluster-variables.ts';
import { CLUSTER_KEYS, FILE_KEYS } from '../../src/config/clusters-schema.ts';
import { LOG_LEVELS } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { projectFile, serviceVariables } from '../packaging/project.ts';
import { CANARY, fileWith, folderWith } from '../support/config-folder.ts';

const reference = projectFile('docs/configuration.md');

/** The rows of the table under a head, cell by cell, without the marks of code. */
function tableBelow(head: string): string[][] {
  const after = reference.slice(reference.indexOf(head));
  const rows = after.slice(0, after.indexOf('\n\n')).split('\n').slice(2);
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

describe('docs/configuration.md', () => {
  it('names every variable of the service, and no other', () => {
    const names = tableBelow('| variable | default |').map(([name]) => name);
    expect(names.toSorted()).toEqual([...serviceVariables()].toSorted());
  });

  it('names the defaults that count', () => {
    const folder = folderWith({ 'clusters.json': fileWith() });
    const config = loadConfig({ env: { MCP_JWT_SECRET: CANARY.repeat(2) }, cwd: folder });
    const defaults = Object.fromEntries(
      tableBelow('| variable | default |').map(([name, value]) => [name, value]),
    );
    expect(defaults).toMatchObject({
      MCP_HOST: config.http.host,
      MCP_PORT: String(config.http.port),
      MCP_READ_ONLY: String(config.readOnly),
      MCP_TOOLSETS: [...config.toolsets].join(', '),
      CLUSTER_TTL_SECONDS: String(config.clusterTtlSeconds),
      CLUSTER_VALIDATION: String(config.clusterValidation),
      LOG_LEVEL: config.logLevel,
    });
    expect(LOG_LEVELS.filter((level) => !reference.includes(`\`${level}\``))).toEqual([]);
  });

  it('names every key of a cluster with its variable, and no other', () => {
    const rows = tableBelow('| key in clusters.json |').map(([key, variable]) => [key, variable]);
    expect(rows.toSorted()).toEqual(Object.entries(SUFFIXES).toSorted());
    expect(rows.map(([key]) => key).toSorted()).toEqual(CLUSTER_KEYS.toSorted());
  });

  it('names every key at the top of clusters.json, and no other', () => {
    expect(
      tableBelow('| key at the top |')
        .map(([key]) => key)
        .toSorted(),
    ).toEqual(FILE_KEYS.toSorted());
  });

  it('shows examples that are configurations', () => {
    const json = /```json\n(.*?)```/s.exec(reference)?.[1] ?? '';
    const files = {
      'clusters.json': json.replace('AA:BB:…', 'AB'.repeat(32)).replace(/"ca_file": "[^"]+",/, ''),
    };
    const folder = folderWith({ ...files, production_token: CANARY });
    const { clusters } = loadConfig({ env: { DR_TOKEN: CANARY }, cwd: folder, needsAuth: false });
    expect(clusters.map(({ name }) => name)).toEqual(['production', 'disaster-recovery']);

    const [, several = '', single = ''] = reference.split('```sh\n').map((part) => part.split('```')[0]);
    const dotEnv = several.replace(/(SECRET)_FILE=.*/, `$1=${CANARY}`);
    for (const [text, names] of [
      [dotEnv, ['production', 'disaster-recovery']],
      [single, ['default']],
    ] as const) {
      const found = loadConfig({ env: {}, cwd: folderWith({ '.env': text }), needsAuth: false });
      expect(found.clusters.map(({ name }) => name)).toEqual(names);
      expect(found.warnings).toEqual([]);
    }
  });
});

it('docs/migration.md names variables that exist', () => {
  const here = projectFile('docs/migration.md')
    .split('\n')
    .filter((line) => line.startsWith('| `PROXMOX_'))
    .map((line) => line.split('|')[2] ?? '');
  const named = here.flatMap((cell) => [...cell.matchAll(/PROXMOX_[A-Z_]+/g)].map(([name]) => name));
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !TOP_VARIABLES.includes(name))).toEqual([]);
});

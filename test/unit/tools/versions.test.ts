import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../src/access/gate.ts';
import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { ApiMethod, CatalogueSource } from '../../../src/catalogue/types.ts';
import { requireVersion } from '../../../src/tools/versions.ts';

const METHOD: ApiMethod = {
  method: 'PUT',
  path: '/access/users/{userid}/token/{tokenid}',
  description: '',
  parameters: { comment: { type: 'string' } },
  additionalProperties: false,
  permissions: { user: 'all' },
  allowToken: true,
};

function clusterWith(source: CatalogueSource, version?: string) {
  const options = { source, label: 'test', methods: [METHOD] };
  const catalogue = new Catalogue(version === undefined ? options : { ...options, version });
  return { name: 'staging', catalogue: async () => catalogue } as unknown as GatedCluster;
}

const asked = (cluster: GatedCluster, path = METHOD.path, parameter?: string) =>
  requireVersion(cluster, 'PUT', path, {
    what: '`regenerate`',
    isOne: true,
    since: '9',
    ...(parameter === undefined ? {} : { parameter }),
  });

describe('what a version lacks', () => {
  it('is refused by name and version', async () => {
    const cluster = clusterWith('cluster', '8.4');
    await expect(asked(cluster, METHOD.path, 'regenerate')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: '`regenerate` needs Proxmox VE 9; staging has 8.4.',
    });
    await expect(asked(clusterWith('cluster'), '/access/new')).rejects.toThrow('has an older version');
    await expect(asked(cluster, METHOD.path, 'comment')).resolves.toBeUndefined();
  });

  it('is left to Proxmox where only the built-in description is known', async () => {
    await expect(asked(clusterWith('built-in'), METHOD.path, 'regenerate')).resolves.toBeUndefined();
  });
});

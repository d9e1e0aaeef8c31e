import { expect, it } from 'vitest';
import { toolClient } from '../../support/tool-client.ts';

it.each(['debian+13.1.0+x.iso', 'a\\debian_13.1.0_x.iso', 'a/debian 13.1.0~x.iso'])(
  'upload_to_storage sees what %s would overwrite',
  async (filename) => {
    const { refused, writes, production } = await toolClient({ clusters: ['production'] });
    const volid = 'local:iso/debian_13.1.0_x.iso';
    const kept = { storage: 'local', node: 'pve1', content: 'iso', format: 'iso', size: 7, ctime: 1 };
    production.state.volumes.push({ ...kept, volid });
    const args = { filename, data: 'AAAA', storage: 'local', node: 'pve1' };
    const error = await refused('upload_to_storage', args);
    expect(error).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining(volid) });
    expect(writes()).toEqual([]);
  },
);

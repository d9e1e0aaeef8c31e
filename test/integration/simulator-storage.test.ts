import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { downloadDigest } from '../../src/simulator/methods/storage/files.ts';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

let api: SimulatedApi;
let production: ClusterApi;

beforeAll(async () => {
  api = await SimulatedApi.start();
  production = api.on('production');
});
afterAll(() => api.close());

describe('definitions', () => {
  const nfs = { storage: 'extra', type: 'nfs', server: '192.0.2.50', export: '/e', content: 'iso,backup' };

  test('are made, shown, limited to nodes, and removed', async () => {
    expect((await production.call('POST', '/storage', nfs)).data).toMatchObject({
      storage: 'extra',
      type: 'nfs',
    });
    expect((await production.call('POST', '/storage', nfs)).reason).toContain(
      "storage ID 'extra' already defined",
    );
    const shown = await production.get('/storage/extra');
    expect(shown).toMatchObject({ content: 'iso,backup', server: '192.0.2.50', shared: 1 });
    const digest = String(shown.digest);
    expect((await production.call('PUT', '/storage/extra', { nodes: 'pve2', digest })).data).toMatchObject({
      type: 'nfs',
    });
    expect((await production.call('PUT', '/storage/extra', { nodes: 'pve3', digest })).reason).toContain(
      'modified configuration',
    );
    expect((await production.call('GET', '/nodes/pve1/storage/extra/status')).reason).toContain(
      'not available on node',
    );
    expect(await production.get('/nodes/pve2/storage/extra/status')).toMatchObject({
      active: 1,
      type: 'nfs',
    });
    await production.call('PUT', '/storage/extra', { disable: '1', delete: 'nodes' });
    expect((await production.call('GET', '/nodes/pve1/storage/extra/content')).reason).toContain(
      'is disabled',
    );
    expect((await production.call('DELETE', '/storage/extra')).data).toBeNull();
    expect((await production.call('GET', '/storage/extra')).reason).toContain('does not exist');
  });

  test.each([
    ['lvm', { vgname: 'vg1' }],
    ['lvmthin', { vgname: 'vg1', thinpool: 'thin' }],
    ['zfspool', { pool: 'rpool/data' }],
    ['cifs', { server: 's', share: 'x', password: 'never-shown' }],
    ['pbs', { server: 's', datastore: 'd', username: 'u@pbs', password: 'never-shown' }],
    ['rbd', { pool: 'ceph' }],
    ['cephfs', {}],
    ['iscsi', { portal: '192.0.2.60', target: 'iqn.2026-01.test:x' }],
    ['dir', { path: '/srv' }],
  ])(
    'a %s storage asks for what it needs and hides what is secret',
    async (type, options: Record<string, string>) => {
      const storage = `new-${type}`;
      for (const missing of Object.keys(options).filter((key) => !['username', 'password'].includes(key))) {
        const { [missing]: _left, ...rest } = options;
        expect((await production.call('POST', '/storage', { storage, type, ...rest })).errors).toHaveProperty(
          missing,
        );
      }
      const odd = { storage, type, ...options, 'zfs-base-path': '/x' };
      expect((await production.call('POST', '/storage', odd)).errors['zfs-base-path']).toContain(
        'unexpected property',
      );
      expect((await production.call('POST', '/storage', { storage, type, ...options })).status).toBe(200);
      expect(JSON.stringify(await production.get('/storage'))).not.toContain('never-shown');
      await production.call('DELETE', `/storage/${storage}`);
    },
  );

  test('a disk is made by hand, once, and only under the number of its guest', async () => {
    const path = '/nodes/pve1/storage/local-lvm/content';
    const body = { vmid: '777', filename: 'vm-777-data', size: '2G' };
    expect((await production.call('POST', path, body)).data).toBe('local-lvm:vm-777-data');
    expect((await production.call('POST', path, body)).reason).toContain('already exists');
    expect((await production.call('POST', path, { ...body, vmid: '778' })).reason).toContain('illegal name');
    expect((await production.rows(`${path}?vmid=777`))[0]).toMatchObject({
      size: 2 * 1024 ** 3,
      format: 'raw',
    });
  });
});

describe('files', () => {
  const path = '/nodes/pve1/storage/local';
  const multipart = (fields: Record<string, string>, filename: string, file: Buffer) => {
    const parts = Object.entries(fields).map(
      ([name, value]) => `--frontier\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const head = `--frontier\r\nContent-Disposition: form-data; name="filename"; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
    const body = Buffer.concat([
      Buffer.from(parts.join('') + head),
      file,
      Buffer.from('\r\n--frontier--\r\n'),
    ]);
    return [body, { headers: { 'content-type': 'multipart/form-data; boundary=frontier' } }] as const;
  };
  const file = Buffer.alloc(3 * 1024 * 1024 + 17, 'simulated\r\n--front');
  const checksum = createHash('sha256').update(file).digest('hex');

  test('an upload larger than any other body is measured and hashed', async () => {
    const fields = { content: 'iso', 'checksum-algorithm': 'sha256', checksum };
    expect(
      await production.work('POST', `${path}/upload`, ...multipart(fields, 'tiny linux.iso', file)),
    ).toBe('OK');
    const rows = await production.rows(`${path}/content?content=iso`);
    expect(rows).toContainEqual(
      expect.objectContaining({ volid: 'local:iso/tiny_linux.iso', size: file.length }),
    );
    expect(production.cluster.state.uploads?.size).toBe(0);
  });

  test('a wrong checksum fails the task, a wrong name the call', async () => {
    const fields = { content: 'iso', 'checksum-algorithm': 'md5', checksum: 'f'.repeat(32) };
    expect(await production.work('POST', `${path}/upload`, ...multipart(fields, 'bad.iso', file))).toContain(
      'checksum mismatch',
    );
    const wrong = await production.call(
      'POST',
      `${path}/upload`,
      ...multipart({ content: 'iso' }, 'a.exe', file),
    );
    expect(wrong.errors).toEqual({ filename: 'wrong file extension' });
    const snippet = await production.call(
      'POST',
      `${path}/upload`,
      ...multipart({ content: 'snippets' }, 'a.yaml', file),
    );
    expect(snippet.errors).toHaveProperty('content');
  });

  test('an upload goes to the node itself', async () => {
    const [body, options] = multipart({ content: 'iso' }, 'a.iso', file);
    const { status } = await production.call('POST', `${path}/upload`, body, { ...options, node: 1 });
    expect(status).toBe(501);
  });

  test('without multipart there is no file, and other bodies stay bounded', async () => {
    const reply = await production.call('POST', `${path}/upload`, { content: 'iso', filename: 'a.iso' });
    expect(reply.reason).toContain('missing temporary file');
    const large = multipart({ content: 'iso' }, 'a.iso', file);
    expect((await production.call('POST', `${path}/download-url`, ...large)).status).toBe(501);
  });

  test('a download is checked, and never replaces a file', async () => {
    const url = 'https://example.org/images/small.img';
    const body = { url, content: 'iso', filename: 'small.img', 'checksum-algorithm': 'sha512' };
    expect(await production.work('POST', `${path}/download-url`, { ...body, checksum: '0' })).toContain(
      'checksum mismatch',
    );
    expect(
      await production.work('POST', `${path}/download-url`, {
        ...body,
        checksum: downloadDigest(url, 'sha512'),
      }),
    ).toBe('OK');
    expect(
      (await production.call('POST', `${path}/download-url`, { ...body, checksum: '0' })).reason,
    ).toContain('refusing to override');
    expect(await production.get(`/nodes/pve1/query-url-metadata?url=${url}`)).toMatchObject({
      filename: 'small.img',
    });
    const disc = { vmid: '778', scsi0: 'local-lvm:0,import-from=local:iso/small.img' };
    expect(await production.work('POST', '/nodes/pve1/qemu', disc)).toContain(
      "wrong type 'iso' - not an image",
    );
    const image = { url, content: 'import', filename: 'small.qcow2' };
    expect(await production.work('POST', `${path}/download-url`, image)).toBe('OK');
    const disk = { vmid: '778', scsi0: 'local-lvm:0,import-from=local:import/small.qcow2' };
    expect(await production.work('POST', '/nodes/pve1/qemu', disk)).toBe('OK');
    const file = { vmid: '779', scsi0: 'local-lvm:0,import-from=/etc/shadow' };
    expect((await production.call('POST', '/nodes/pve1/qemu', file)).reason).toContain('Only root can pass');
  });

  test('a template is listed and fetched', async () => {
    const [first] = await production.rows('/nodes/pve1/aplinfo');
    const template = String(first?.template);
    expect(await production.work('POST', '/nodes/pve1/aplinfo', { storage: 'local', template })).toBe('OK');
    const rows = await production.rows(`${path}/content?content=vztmpl`);
    expect(rows.map((row) => row.volid)).toContain(`local:vztmpl/${template}`);
  });
});

describe('the storage two clusters of the demo share', () => {
  test('a backup made in production is found by disaster recovery', async () => {
    const recovery = api.on('disaster-recovery');
    expect(await production.work('POST', '/nodes/pve2/vzdump', { vmid: '101', storage: 'backup-nfs' })).toBe(
      'OK',
    );
    const [row] = await recovery.rows('/nodes/dr1/storage/dr-nfs/content?content=backup&vmid=101');
    const archive = String(row?.volid);
    expect(archive).toMatch(/^dr-nfs:backup\/vzdump-qemu-101-/);
    expect(await recovery.get(`/nodes/dr1/vzdump/extractconfig?volume=${archive}`)).toContain('name: web-02');
    expect(
      await recovery.work('POST', '/nodes/dr1/qemu', {
        vmid: '401',
        archive,
        storage: 'local-lvm',
        unique: '1',
      }),
    ).toBe('OK');
    expect(await recovery.get('/nodes/dr1/qemu/401/config')).toMatchObject({ name: 'web-02' });
  });
});

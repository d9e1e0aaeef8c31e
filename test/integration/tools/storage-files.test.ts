import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { downloadDigest, downloadSize } from '../../../src/simulator/methods/storage/files.ts';
import { policyWith } from '../../support/gate.ts';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'] };
const NODE = { node: 'pve1' };
const FILE = Buffer.from('an image of a very small disk, '.repeat(40));
const DATA = FILE.toString('base64');
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

const volume = ({ production }: ToolClient, volid: string, node = 'pve1') =>
  production.state.volumes.find((one) => one.volid === volid && (one.node ?? node) === node);

describe('upload_to_storage', () => {
  it('puts a file on the node, with a checksum that Proxmox compared', async () => {
    const client = await toolClient(ONE);
    const args = { filename: 'my seed.iso', data: DATA, ...NODE, checksum: sha256(FILE) };
    const answer = await client.call('upload_to_storage', args);
    expect(answer).toMatchObject({
      volid: 'local:iso/my_seed.iso',
      node: 'pve1',
      size_bytes: FILE.length,
      sha256: sha256(FILE),
      task: { status: 'ok' },
    });
    expect(volume(client, 'local:iso/my_seed.iso')).toMatchObject({ size: FILE.length, content: 'iso' });
    const [request] = client.writes();
    expect(request).toMatchObject({
      node: 'pve1',
      params: { 'checksum-algorithm': 'sha256', checksum: sha256(FILE) },
    });
    const taken = await client.refused('upload_to_storage', args);
    expect(taken).toMatchObject({ code: 'CONFLICT' });
    expect(client.writes()).toHaveLength(1);
    await client.call('upload_to_storage', { ...args, overwrite: true });
    expect(client.writes()).toHaveLength(2);
  });

  it('goes to the node that is meant, whichever endpoint that is, and takes images and templates', async () => {
    const client = await toolClient(ONE);
    const image = await client.call('upload_to_storage', { filename: 'x.qcow2', data: DATA, node: 'pve3' });
    expect(image).toMatchObject({ volid: 'local:import/x.qcow2', node: 'pve3' });
    expect(client.writes()[0]).toMatchObject({ node: 'pve3' });
    await client.call('upload_to_storage', { filename: 'x.tar.zst', data: DATA, node: 'pve2' });
    expect(volume(client, 'local:vztmpl/x.tar.zst', 'pve2')).toBeDefined();
  });

  it('refuses what is wrong before anything leaves', async () => {
    const { refused, writes } = await toolClient(ONE);
    const iso = { filename: 'x.iso', ...NODE };
    const cases: [Record<string, unknown>, string][] = [
      [{ ...iso, data: 'not base64!' }, 'is no base64'],
      [{ ...iso, data: 'QUJD', checksum: sha256(FILE) }, 'not that of the file'],
      [{ ...iso, data: 'A'.repeat(3_000_004 + 1_000_000) }, '2.9 MiB'],
      [{ ...iso, filename: 'x.txt', data: DATA }, 'must end in'],
      [{ ...iso, data: DATA, storage: 'local-lvm' }, 'no iso'],
      [{ filename: 'x.iso', data: DATA }, 'Say which node'],
      [{ ...iso, data: DATA, checksum: 'abc' }, 'is no checksum'],
    ];
    for (const [args, message] of cases) {
      const error = await refused('upload_to_storage', args);
      expect(`${error.message} ${error.hint}`, message).toContain(message);
    }
    expect(writes()).toEqual([]);
  });

  it('takes 3 MB, the most that is promised', async () => {
    const client = await toolClient(ONE);
    const bytes = Buffer.alloc(3_000_000, 7);
    const answer = await client.call('upload_to_storage', {
      ...{ filename: 'big.iso', data: bytes.toString('base64') },
      ...NODE,
    });
    expect(answer).toMatchObject({ size_bytes: 3_000_000, task: { status: 'ok' } });
  });

  it('asks for approval of this very file', async () => {
    const { refused, call, writes } = await toolClient({
      ...ONE,
      gateOptions: { policy: policyWith('self') },
    });
    const args = { filename: 'x.iso', data: DATA, ...NODE };
    const { plan } = await refused('upload_to_storage', args);
    expect(plan.calls[0].parameters).toMatchObject({ filename: 'x.iso', checksum: sha256(FILE) });
    expect(JSON.stringify(plan)).not.toContain(DATA.slice(0, 40));
    const other = { ...args, data: Buffer.from('another').toString('base64'), handle: plan.handle };
    expect(await refused('upload_to_storage', other)).not.toMatchObject({ code: 'INTERNAL' });
    expect(writes()).toEqual([]);
    const { plan: again } = await refused('upload_to_storage', args);
    await call('upload_to_storage', { ...args, handle: again.handle });
    expect(writes()).toHaveLength(1);
  });

  it('says so where Proxmox finds another checksum', async () => {
    const { refused, production } = await toolClient(ONE);
    production.faults.add({ kind: 'task-error', message: 'checksum mismatch', match: /upload$/ });
    const error = await refused('upload_to_storage', { filename: 'x.iso', data: DATA, ...NODE });
    expect(error).toMatchObject({ code: 'TASK_FAILED' });
    expect(error.message).toContain('checksum mismatch');
  });
});

const URL = 'https://example.org/images/noble.img';

describe('download_to_storage', () => {
  it('asks what is there, then fetches it under a name that tells its format', async () => {
    const client = await toolClient(ONE);
    const checksum = downloadDigest(URL, 'sha512');
    const answer = await client.call('download_to_storage', {
      url: URL,
      content: 'import',
      checksum,
      ...NODE,
    });
    expect(answer).toMatchObject({
      volid: 'local:import/noble.qcow2',
      size_bytes: downloadSize(URL),
      task: { status: 'ok' },
    });
    expect(answer.note).toBeUndefined();
    expect(volume(client, 'local:import/noble.qcow2')).toMatchObject({ content: 'import' });
    const order = client.production.requests.map(({ path }) => path).filter((path) => /url/.test(path));
    expect(order).toEqual([
      '/api2/json/nodes/pve1/query-url-metadata',
      '/api2/json/nodes/pve1/storage/local/download-url',
    ]);
    expect(client.writes()[0]?.params).toMatchObject({ checksum, 'checksum-algorithm': 'sha512' });
    const taken = await client.refused('download_to_storage', { url: URL, content: 'import', ...NODE });
    expect(taken).toMatchObject({ code: 'CONFLICT' });
    expect(client.writes()).toHaveLength(1);
  });

  it('says that nothing was checked without a checksum, and can leave certificates alone', async () => {
    const client = await toolClient(ONE);
    const args = {
      url: 'https://example.org/a.iso',
      filename: 'mine.iso',
      verify_certificates: false,
      ...NODE,
    };
    expect((await client.call('download_to_storage', args)).note).toContain('Without a checksum');
    expect(client.writes()[0]?.params).toMatchObject({ 'verify-certificates': '0', filename: 'mine.iso' });
  });

  it('refuses what does not fit, is no file, or is nowhere', async () => {
    const { refused, production, writes } = await toolClient(ONE);
    const cases: [Record<string, unknown>, string][] = [
      [{ url: 'ftp://example.org/a.iso' }, 'none of http or https'],
      [{ url: 'https://u:canary@example.org/a.iso' }, 'holds a login'],
      [{ url: 'https://example.org/latest' }, 'must end in .iso or .img'],
      [{ url: 'https://gone.invalid/a.iso' }, 'could not resolve host'],
      [{ url: 'https://example.org/a.iso', storage: 'nas' }, 'no iso'],
    ];
    for (const [args, message] of cases) {
      const error = await refused('download_to_storage', { ...args, ...NODE });
      expect(`${error.message} ${error.hint}`, message).toContain(message);
      expect(JSON.stringify(error)).not.toContain('canary');
    }
    const local = production.state.storages.find(({ storage }) => storage === 'local');
    if (local) local.foreignBytes = local.total - 1_000_000_000;
    const full = await refused('download_to_storage', { url: 'https://example.org/a.iso', ...NODE });
    expect(full.message).toMatch(/MiB, and local on pve1 has .*free/);
    expect(writes()).toEqual([]);
  });

  it('names the wrong checksum in the task', async () => {
    const { refused } = await toolClient(ONE);
    const args = { url: URL, checksum: 'a'.repeat(64), ...NODE };
    const error = await refused('download_to_storage', args);
    expect(error).toMatchObject({ code: 'TASK_FAILED' });
    expect(error.message).toContain('checksum mismatch');
  });
});

describe('the appliances', () => {
  it('list_appliances lists and searches', async () => {
    const { call } = await toolClient(ONE);
    const all = await call('list_appliances', { limit: 2 });
    expect(all).toMatchObject({ total: 4, next_cursor: expect.any(String) });
    const found = await call('list_appliances', { search: 'DEBIAN 13' });
    expect(found.appliances).toMatchObject([{ os: 'debian-13', section: 'system' }]);
  });

  it('download_appliance fetches one by its package, and does not fetch it twice', async () => {
    const client = await toolClient(ONE);
    const answer = await client.call('download_appliance', { template: 'alpine-3.22-default', ...NODE });
    expect(answer.task).toMatchObject({ status: 'ok' });
    expect(volume(client, answer.volid)).toMatchObject({ content: 'vztmpl', node: 'pve1' });
    const again = await client.call('download_appliance', { template: 'alpine-3.22-default', ...NODE });
    expect(again).toMatchObject({ already_there: true, volid: answer.volid });
    expect(client.writes()).toHaveLength(1);
    const error = await client.refused('download_appliance', { template: 'debian-12-standart', ...NODE });
    expect(error.hint).toContain('debian-12-standard');
  });
});

import { describe, expect, it } from 'vitest';
import { uploadOf } from '../../../src/access/upload.ts';
import type { AuditLog } from '../../../src/audit/audit-log.ts';
import { apiPath, parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { Upload } from '../../../src/proxmox/upload.ts';
import { principal } from '../../support/approvals.ts';
import { gateFor } from '../../support/gate.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const PATH = apiPath`/nodes/${'pve1'}/storage/${'local'}/upload`;
const SUM = { checksum: 'ab'.repeat(32), 'checksum-algorithm': 'sha256' };
const FILE = new Uint8Array([1, 2, 3]);

describe('the file of an upload', () => {
  it('goes with what was judged', async () => {
    const upload = uploadOf(PATH, { content: 'iso', filename: 'x.iso', ...SUM }, FILE);
    const { body, ...rest } = upload;
    expect(rest).toEqual({
      node: 'pve1',
      storage: 'local',
      content: 'iso',
      filename: 'x.iso',
      size: 3,
      checksum: SUM.checksum,
      checksumAlgorithm: 'sha256',
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    expect(chunks).toEqual([FILE]);
  });

  it('goes nowhere else, and not without its checksum', () => {
    const data = { content: 'iso', filename: 'x.iso' };
    expect(() =>
      uploadOf(apiPath`/nodes/${'pve1'}/storage/${'local'}/content`, { ...data, ...SUM }, FILE),
    ).toThrow('takes no file');
    for (const path of [
      '/pools/pve1/storage/local/upload',
      '/nodes/pve1/disks/local/upload',
      '/nodes/pve1/storage',
      '/nodes',
    ]) {
      expect(() => uploadOf(parseApiPath(path), { ...data, ...SUM }, FILE), path).toThrow('takes no file');
    }
    for (const some of [{}, { checksum: SUM.checksum }, { 'checksum-algorithm': 'sha256' }]) {
      expect(() => uploadOf(PATH, { ...data, ...some }, FILE)).toThrow('needs its checksum');
    }
  });
});

const UPID = 'UPID:pve1:0000ABCD:00112233:66112233:imgcopy::root@pam:';

class UploadingCluster extends RecordingCluster {
  readonly uploads: Upload[] = [];

  override async upload(upload?: Upload): Promise<never> {
    if (upload !== undefined) this.uploads.push(upload);
    // What the class above promises is to give nothing.
    return { data: UPID, endpoint: 'pve1:8006' } as never;
  }
}

describe('an upload through the gate', () => {
  const opened = (scopes: Parameters<typeof principal>[1]) => {
    const cluster = new UploadingCluster('a');
    const audit: Record<string, unknown>[] = [];
    const log: AuditLog = {
      begin: async (entry) => void audit.push({ ...entry }),
      end: async (entry) => void audit.push({ ...entry }),
      task: async () => undefined,
      healthy: () => ({ ok: true }),
      head: () => ({ seq: 0, hash: '' }),
      close: async () => undefined,
    };
    const origin = { requestId: 'r', tool: 't', door: 'http', signal: new AbortController().signal };
    const gated = gateFor(undefined, { audit: log }).open(
      { cluster, selectedBy: 'explicit' },
      { ...origin, principal: principal('alice', scopes) },
    );
    const data = { content: 'iso', filename: 'x.iso', ...SUM };
    const send = (more: object = {}) =>
      gated.request({ method: 'POST', path: PATH, data: { ...data, ...more }, file: FILE });
    return { cluster, audit, send };
  };

  it('is judged and recorded as every write, without the bytes', async () => {
    const { cluster, audit, send } = opened(['proxmox:admin']);
    await expect(send()).resolves.toMatchObject({ data: UPID });
    expect(cluster.uploads).toMatchObject([{ node: 'pve1', storage: 'local', filename: 'x.iso', size: 3 }]);
    expect(cluster.calls).toEqual([]);
    expect(audit).toMatchObject([
      { write: true, risks: ['destroy'], parameters: { filename: 'x.iso', checksum: SUM.checksum } },
      { outcome: 'ok', upid: UPID },
    ]);
    expect(audit[0]?.parameters).not.toHaveProperty('file');
  });

  it('is refused to who may not, and where its parameters do not fit', async () => {
    const reader = opened(['proxmox:read', 'proxmox:change']);
    await expect(reader.send()).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    const admin = opened(['proxmox:admin']);
    await expect(admin.send({ content: 'backup' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS' });
    expect([...reader.cluster.uploads, ...admin.cluster.uploads]).toEqual([]);
  });
});

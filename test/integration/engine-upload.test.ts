import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { Upload } from '../../src/proxmox/upload.ts';
import { clusterConfig, engineFor, TOKEN_CANARY } from '../support/engine-fixtures.ts';
import { startUploadNode, UPID, type UploadNode } from '../support/upload-node.ts';
import { configOf, sendJson, startWireServer } from '../support/wire-server.ts';

const MIB = 1024 * 1024;

function uploadOf(changes: Partial<Upload> = {}): Upload {
  return {
    node: 'pve1',
    storage: 'local',
    content: 'iso',
    filename: 'x.iso',
    size: 5,
    body: Readable.from([Buffer.from('abcde')]),
    ...changes,
  };
}

function configFor(...nodes: UploadNode[]) {
  const endpoints = nodes.map(({ endpoint, certificate }) => ({
    ...endpoint,
    fingerprint: certificate.fingerprint,
  }));
  return clusterConfig({ endpoints });
}

describe('an upload', () => {
  test('goes out as PVE wants it: length ahead, text fields, then the file', async () => {
    const node = await startUploadNode();
    const checksum = createHash('sha256').update('abcde').digest('hex');
    const reply = await engineFor(configFor(node)).upload(
      uploadOf({ filename: 'Büro 1.iso', checksum, checksumAlgorithm: 'sha256' }),
    );
    expect(reply).toEqual({ data: UPID, endpoint: `127.0.0.1:${node.endpoint.port}` });
    expect(node.uploads).toHaveLength(1);
    const [seen] = node.uploads;
    const boundary = /^multipart\/form-data; boundary=([\w-]+)$/.exec(
      seen?.headers['content-type'] ?? '',
    )?.[1];
    expect(Buffer.from(seen?.head ?? '', 'latin1').toString()).toBe(
      [
        `--${boundary}\r\nContent-Disposition: form-data; name="content"\r\n\r\niso\r\n`,
        `--${boundary}\r\nContent-Disposition: form-data; name="checksum"\r\n\r\n${checksum}\r\n`,
        `--${boundary}\r\nContent-Disposition: form-data; name="checksum-algorithm"\r\n\r\nsha256\r\n`,
        `--${boundary}\r\nContent-Disposition: form-data; name="filename"; filename="Büro 1.iso"\r\n`,
        'Content-Type: application/octet-stream\r\n\r\n',
      ].join(''),
    );
    expect(seen).toMatchObject({
      url: '/api2/json/nodes/pve1/storage/local/upload',
      fileBytes: 5,
      sha256: checksum,
      tail: `\r\n--${boundary}--\r\n`,
      isWhole: true,
    });
    expect(seen?.headers).not.toHaveProperty('transfer-encoding');
    expect(seen?.headers.authorization).toContain(TOKEN_CANARY);
  });

  test('of 200 MB is never held in memory', { timeout: 60_000 }, async () => {
    const node = await startUploadNode();
    const size = 200 * MIB;
    const hash = createHash('sha256');
    const progress: number[] = [];
    const before = memory();
    let most = 0;
    async function* source() {
      for (let index = 0; index < 200; index++) {
        const chunk = Buffer.alloc(MIB, index);
        hash.update(chunk);
        yield chunk;
      }
    }
    await engineFor(configFor(node)).upload(
      uploadOf({
        size,
        body: source(),
        onProgress: (bytes) => {
          progress.push(bytes);
          if (progress.length % 20 === 0) most = Math.max(most, memory());
        },
      }),
    );
    expect(node.uploads).toHaveLength(1);
    expect(node.uploads[0]).toMatchObject({ fileBytes: size, sha256: hash.digest('hex'), isWhole: true });
    expect(Number(node.uploads[0]?.headers['content-length'])).toBe(
      size + (node.uploads[0]?.head.length ?? 0) + (node.uploads[0]?.tail.length ?? 0),
    );
    expect(progress).toEqual(progress.toSorted((one, other) => one - other));
    expect(progress.at(-1)).toBe(size);
    expect(most - before).toBeLessThan(40 * MIB);
  });

  test('waits for a node that reads slowly, and takes no more from the source meanwhile', async () => {
    let go = () => {};
    const node = await startUploadNode({
      onBegin: (request) => {
        request.pause();
        go = () => request.resume();
        setTimeout(go, 300);
        return 'read';
      },
    });
    let given = 0;
    async function* source() {
      for (; given < 64; given++) yield Buffer.alloc(MIB);
    }
    const upload = engineFor(configFor(node)).upload(uploadOf({ size: 64 * MIB, body: source() }));
    await expect.poll(() => node.uploads.length).toBe(1);
    const early = given;
    await upload;
    expect(early).toBeLessThan(32);
    expect(node.uploads[0]).toMatchObject({ fileBytes: 64 * MIB, isWhole: true });
  });

  test('takes no turn from calls, and no more than two go at once', async () => {
    let waiting = 0;
    const node = await startUploadNode({
      onBegin: () => {
        waiting++;
        return 'ignore';
      },
    });
    const engine = engineFor(configFor(node), { limits: { callsPerNode: 1 } });
    const caller = new AbortController();
    const uploads = [1, 2, 3].map(() =>
      engine.upload(uploadOf({ signal: caller.signal })).catch(() => undefined),
    );
    await expect.poll(() => waiting).toBe(2);
    await engine.upload(uploadOf({ node: 'nowhere' })).catch(() => undefined);
    expect(waiting).toBe(2);
    caller.abort();
    await Promise.all(uploads);
  });
});

describe('the way to the node', () => {
  test('is the endpoint that is the node, in whatever order; asked again only of itself', async () => {
    const other = await startUploadNode({ name: 'pve2' });
    const node = await startUploadNode({ name: 'pve1' });
    const engine = engineFor(configFor(other, node));
    await engine.upload(uploadOf());
    await engine.upload(uploadOf());
    expect([other.uploads.length, node.uploads.length]).toEqual([0, 2]);
    expect([other.asked.length, node.asked.length]).toEqual([1, 2]);
  });

  test('is found anew where an address has moved to another node', async () => {
    let name = 'pve1';
    const moving = await startUploadNode({
      answer: (_request, response) => {
        sendJson(response, 200, { data: [{ type: 'node', name, local: 1, online: 1 }] });
        return true;
      },
    });
    const engine = engineFor(configFor(moving));
    await engine.upload(uploadOf());
    name = 'pve2';
    await expect(engine.upload(uploadOf())).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: 'Use one of: pve2.',
    });
    expect(moving.uploads).toHaveLength(1);
  });

  test('is the address that the cluster knows, with the first endpoint’s port and the same CA or pin', async () => {
    const second = await startUploadNode({ name: 'pve2', host: '127.0.0.2' });
    const { port } = second.endpoint;
    const row = { type: 'node', name: 'pve2', local: 0, online: 1, ip: '127.0.0.2' };
    const first = await startUploadNode({ name: 'pve1', port, others: [row] });
    const endpoints = [{ ...first.endpoint, fingerprint: first.certificate.fingerprint }];
    for (const tls of [
      { verify: true, ca: second.certificate.pem },
      { verify: false, fingerprint: second.certificate.fingerprint },
    ]) {
      await engineFor(clusterConfig({ endpoints, tls })).upload(uploadOf({ node: 'pve2' }));
    }
    expect([first.uploads.length, second.uploads.length]).toEqual([0, 2]);
  });

  test('is clear without Sys.Audit where there is one node alone', async () => {
    const node = await startUploadNode({
      answer: ({ url }, response) => {
        if (url === '/api2/json/nodes') sendJson(response, 200, { data: [{ node: 'pve1' }] });
        else sendJson(response, 403, { data: null }, 'Permission check failed (/, Sys.Audit)');
        return true;
      },
    });
    await engineFor(configFor(node)).upload(uploadOf());
    expect(node.uploads).toHaveLength(1);
  });

  test('a ticket that ran out is renewed before the file is opened', async () => {
    const { Secret } = await import('../../src/config/secret.ts');
    let logins = 0;
    const node = await startUploadNode({
      answer: ({ url, headers }, response) => {
        if (url === '/api2/json/access/ticket') {
          const data = { ticket: `PVE:T${++logins}`, CSRFPreventionToken: 'csrf' };
          sendJson(response, 200, { data });
        } else if (headers.cookie?.includes('T1')) sendJson(response, 401, { data: null }, 'No ticket');
        else return false;
        return true;
      },
    });
    const credentials = { kind: 'password', user: 'ops@pve', password: new Secret(TOKEN_CANARY) } as const;
    await engineFor({ ...configFor(node), credentials }).upload(uploadOf());
    expect(logins).toBe(2);
    expect(node.uploads).toHaveLength(1);
    expect(node.uploads[0]?.headers).toMatchObject({
      csrfpreventiontoken: 'csrf',
      cookie: expect.stringContaining('T2'),
    });
  });

  test('a server that says nothing of nodes is an error', async () => {
    const server = await startWireServer((_request, response) => sendJson(response, 200, { data: [] }));
    await expect(engineFor(configOf([server])).upload(uploadOf())).rejects.toMatchObject({
      code: 'UPSTREAM_ERROR',
      cluster: 'test',
    });
  });
});

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** What this process holds of objects and buffers, garbage aside. */
function memory(): number {
  // Buffers are swept in the background: the second collection waits for what the first one found.
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

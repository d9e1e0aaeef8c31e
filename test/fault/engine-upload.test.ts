import { PassThrough, Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { Upload } from '../../src/proxmox/upload.ts';
import { clusterConfig, engineFor, failureOf } from '../support/engine-fixtures.ts';
import { startUploadNode, type UploadNode } from '../support/upload-node.ts';
import { answerData, sendJson, startWireServer } from '../support/wire-server.ts';

const MIB = 1024 * 1024;
const OTHER_PIN = Array.from({ length: 32 }, () => 'AB').join(':');
const NEIGHBOUR = { type: 'node', name: 'pve2', local: 0, online: 1, ip: '127.0.0.2' };

function uploadOf(changes: Partial<Upload> = {}): Upload {
  const body = Readable.from([Buffer.alloc(10)]);
  return { node: 'pve1', storage: 'local', content: 'iso', filename: 'x.iso', size: 10, body, ...changes };
}

function engineOf(
  node: UploadNode,
  tls: { verify: boolean; fingerprint?: string; ca?: string } = { verify: true },
) {
  const { endpoint, certificate } = node;
  return engineFor(
    clusterConfig({ endpoints: [{ ...endpoint, fingerprint: certificate.fingerprint }], tls }),
  );
}

async function* blocks(count: number) {
  for (let index = 0; index < count; index++) yield Buffer.alloc(MIB);
}

describe('a body that is not as announced', () => {
  test.each([
    ['shorter', 3 * MIB + 1, 'ended after 3145728'],
    ['longer', 3 * MIB - 1, 'longer than the 3145727 bytes'],
    ['longer by a chunk of its own', 2 * MIB, 'longer than the 2097152 bytes'],
  ])('%s: the request is broken off, and nothing is stored', async (_title, size, text) => {
    const node = await startUploadNode();
    const error = await failureOf(engineOf(node).upload(uploadOf({ size, body: blocks(3) })));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS', cluster: 'test', retryable: false });
    expect(error.message).toContain(text);
    expect(error.message).toContain('nothing was stored');
    await expect.poll(() => node.sockets.size).toBe(1);
    expect(node.uploads.filter(({ isWhole }) => isWhole)).toEqual([]);
  });

  test('a source that fails: said without its text, which may name files', async () => {
    const node = await startUploadNode();
    async function* body() {
      yield Buffer.alloc(MIB);
      throw new Error('EIO /secret/path');
    }
    const error = await failureOf(engineOf(node).upload(uploadOf({ size: 2 * MIB, body: body() })));
    expect(error).toMatchObject({
      code: 'INTERNAL',
      cause: expect.objectContaining({ message: 'EIO /secret/path' }),
    });
    expect(`${error.message} ${error.hint}`).not.toContain('/secret');
    expect(node.uploads.filter(({ isWhole }) => isWhole)).toEqual([]);
  });

  test('a source that failed before it was read', async () => {
    const node = await startUploadNode();
    const body = new PassThrough();
    const upload = failureOf(engineOf(node).upload(uploadOf({ body })));
    body.destroy(new Error('gone'));
    expect(await upload).toMatchObject({ code: 'INTERNAL' });
  });

  test.each([
    ['a path', { filename: 'a/b.iso' }],
    ['a backslash', { filename: 'a\\b.iso' }],
    ['a quote', { filename: 'a".iso' }],
    ['a line break', { filename: 'a\r\nX: y.iso' }],
    ['nothing', { filename: '' }],
    ['a climb', { filename: '..' }],
    ['a size that is none', { size: Number.NaN }],
    ['no bytes', { size: 0 }],
    ['a checksum alone', { checksum: 'ab'.repeat(32) }],
    ['a checksum of something else', { checksum: 'xyz', checksumAlgorithm: 'md5' as const }],
    ['another content', { content: 'backup' as 'iso' }],
    ['a node that climbs', { node: '..' }],
    ['a storage with a slash', { storage: 'a/b' }],
  ])('%s is refused before anything is asked, and the source closed', async (_title, changes) => {
    const node = await startUploadNode();
    const upload = uploadOf(changes);
    const error = await failureOf(engineOf(node).upload(upload));
    expect(error.code).toMatch(/^INVALID_/);
    expect(error.cluster).toBe('test');
    expect(node.asked).toEqual([]);
    expect((upload.body as Readable).destroyed).toBe(true);
  });
});

describe('an upload that breaks off', () => {
  test('the caller gives up: its reason comes back, socket and source are closed', async () => {
    const node = await startUploadNode();
    const caller = new AbortController();
    const body = new PassThrough();
    body.write(Buffer.alloc(MIB));
    const upload = engineOf(node).upload(uploadOf({ size: 5 * MIB, body, signal: caller.signal }));
    await expect.poll(() => node.uploads[0]?.fileBytes).toBe(MIB);
    caller.abort();
    await expect(upload).rejects.toBe(caller.signal.reason);
    await expect.poll(() => node.uploads[0]?.isWhole).toBe(false);
    expect(body.destroyed).toBe(true);
    await expect.poll(() => node.sockets.size).toBe(1);
  });

  test('the connection dies: once, and nothing is in doubt', async () => {
    let begun = 0;
    const node = await startUploadNode({
      onBegin: (request) => {
        begun++;
        request.once('data', () => request.socket.destroy());
        return 'ignore';
      },
    });
    const error = await failureOf(engineOf(node).upload(uploadOf({ size: 90 * MIB, body: blocks(90) })));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', retryable: true });
    expect(error.message).toMatch(/closed the connection after \d+ of 94371840 bytes\. Nothing was stored/);
    expect(begun).toBe(1);
  });

  test('the whole file has left and no answer comes: in doubt, and not sent again', async () => {
    let begun = 0;
    const node = await startUploadNode({
      onBegin: (request) => {
        begun++;
        request.on('end', () => request.socket.destroy()).resume();
        return 'ignore';
      },
    });
    const error = await failureOf(engineOf(node).upload(uploadOf()));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', retryable: false });
    expect(error.message).toContain('may or may not have been carried out');
    expect(begun).toBe(1);
  });

  test('the time is over', async () => {
    const node = await startUploadNode();
    const body = new PassThrough();
    body.write(Buffer.alloc(5));
    const error = await failureOf(engineOf(node).upload(uploadOf({ body, deadlineMs: 400 })));
    expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(error.message).toContain('after 5 of 10 bytes. Nothing was stored');
  });

  test('PVE refuses it early: its own words', async () => {
    const node = await startUploadNode({
      onBegin: (_request, response) => {
        sendJson(
          response,
          403,
          { data: null },
          'Permission check failed (/storage/local, Datastore.AllocateTemplate)',
        );
        return 'ignore';
      },
    });
    const error = await failureOf(engineOf(node).upload(uploadOf()));
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(error.message).toContain('lacks Datastore.AllocateTemplate on /storage/local');
  });

  test('the engine is closed: no socket, no timer', async () => {
    const node = await startUploadNode();
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const engine = engineOf(node);
    const body = new PassThrough();
    body.write(Buffer.alloc(5));
    const upload = failureOf(engine.upload(uploadOf({ body })));
    await expect.poll(() => node.uploads[0]?.fileBytes).toBe(5);
    await engine.close();
    expect(await upload).toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
    await expect.poll(() => node.sockets.size).toBe(0);
    expect(body.destroyed).toBe(true);
    await expect
      .poll(() => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length)
      .toBeLessThanOrEqual(before);
  });
});

describe('a node that can’t be reached itself', () => {
  test.each([
    ['a pin of another node', { verify: true, fingerprint: OTHER_PIN }, 'not the pinned'],
    ['no CA that knows it', { verify: true }, 'not trusted'],
    ['pins for the endpoints alone, verification off', { verify: false }, 'no fingerprint is configured'],
  ])('%s: the error says what to add, and no credential is sent', async (_title, tls, text) => {
    const first = await startUploadNode({ others: [NEIGHBOUR] });
    const second = await startWireServer(answerData, { host: '127.0.0.2', port: first.endpoint.port });
    const error = await failureOf(engineOf(first, tls).upload(uploadOf({ node: 'pve2' })));
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', cluster: 'test', retryable: false });
    expect(error.message).toContain(`Node pve2 has to be reached itself at 127.0.0.2:${first.endpoint.port}`);
    expect(error.message).toContain(text);
    expect(error.hint).toContain('Add node pve2 to the `endpoints`');
    expect(second.requests).toEqual([]);
    expect(first.uploads).toEqual([]);
  });

  test('nobody listens at its address', async () => {
    const first = await startUploadNode({ others: [NEIGHBOUR] });
    const error = await failureOf(engineOf(first).upload(uploadOf({ node: 'pve2' })));
    expect(error.message).toContain('it refused the connection');
  });

  test('another node answers there', async () => {
    const first = await startUploadNode({ others: [{ ...NEIGHBOUR, ip: '127.0.0.1' }] });
    const tls = { verify: true, fingerprint: first.certificate.fingerprint };
    const error = await failureOf(engineOf(first, tls).upload(uploadOf({ node: 'pve2' })));
    expect(error.message).toContain('another node answers at its address');
  });

  test('offline, and unknown', async () => {
    const node = await startUploadNode({ others: [{ ...NEIGHBOUR, online: 0 }] });
    const engine = engineOf(node);
    expect((await failureOf(engine.upload(uploadOf({ node: 'pve2' })))).message).toContain(
      'Node pve2 is offline',
    );
    expect(await failureOf(engine.upload(uploadOf({ node: 'pve9' })))).toMatchObject({
      code: 'NOT_FOUND',
      hint: 'Use one of: pve1, pve2.',
    });
  });
});

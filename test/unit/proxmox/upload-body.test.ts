import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { apiPath } from '../../../src/proxmox/api-path.ts';
import type { Upload } from '../../../src/proxmox/upload.ts';
import { UploadBody } from '../../../src/proxmox/upload-body.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const PATH = apiPath`/nodes/pve1/storage/local/upload`;

function bodyOf(changes: Partial<Upload>): UploadBody {
  const body = Readable.from([Buffer.alloc(10)]);
  return new UploadBody({
    node: 'pve1',
    storage: 'local',
    content: 'iso',
    filename: 'x.iso',
    size: 10,
    body,
    ...changes,
  });
}

function streamOf(sut: UploadBody): Readable {
  const { body } = sut.request(PATH);
  if (!(body instanceof Readable)) throw new Error('the body is no stream');
  return body;
}

test('its length is the one announced', async () => {
  const sut = bodyOf({});
  const { headers, body } = sut.request(PATH);
  const bytes = await (body as Readable).toArray();
  expect(Buffer.concat(bytes)).toHaveLength(Number(headers['content-length']));
  expect(vi.getTimerCount()).toBe(0);
});

test('a minute in which nothing moves ends it; each byte starts the minute anew', async () => {
  const source = new PassThrough();
  const sut = bodyOf({ body: source });
  streamOf(sut).resume();
  for (let count = 0; count < 3; count++) {
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
    vi.advanceTimersByTime(59_000);
    source.write(Buffer.alloc(1));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(sut.failed.aborted).toBe(false);
  vi.advanceTimersByTime(60_000);
  expect(sut.failed.reason).toMatchObject({ code: 'TIMEOUT' });
  expect(sut.failed.reason.message).toContain('at 3 of 10 bytes. Nothing was stored');
  sut.close();
  expect(source.destroyed).toBe(true);
});

test('the deadline grows with the file: an hour for about a gigabyte', () => {
  expect(bodyOf({ size: 1 }).likelyMs).toBe(60_001);
  expect(bodyOf({ size: 1024 ** 3 }).likelyMs / 3_600_000).toBeCloseTo(1.18, 2);
});

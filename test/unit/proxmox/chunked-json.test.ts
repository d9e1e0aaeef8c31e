import { describe, expect, it } from 'vitest';
import { parseLargeList } from '../../../src/proxmox/chunked-json.ts';
import { parseEnvelope, readEnvelope } from '../../../src/proxmox/wire.ts';

const row = (index: number, more: object = {}) => ({
  id: `qemu/${index}`,
  name: `web-${index}`,
  note: 'x'.repeat(300),
  ...more,
});
const rows = (more: (index: number) => object = () => ({})) =>
  Array.from({ length: 8_000 }, (_none, index) => row(index, more(index)));

describe('a large list', () => {
  it('is read as JSON.parse reads it, and other work comes in between', async () => {
    const body = JSON.stringify({ data: rows(), total: 8_000, changes: 'one' });
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const read = await readEnvelope(body);
    clearImmediate(next);
    expect(read).toEqual(parseEnvelope(body));
    expect(read).toMatchObject({ total: 8_000, changes: 'one' });
    expect(turns).toBeGreaterThan(2);
  });

  it.each([
    ['a text that ends like a row', (index: number) => ({ name: `${index}},{` })],
    ['a text that looks like rows', () => ({ name: '},{"id":"qemu/1"},{"' })],
    ['rows within a row', () => ({ disks: [{ a: 1 }, { b: 2 }] })],
    ['a row within a row', () => ({ inner: { a: { b: [] } } })],
  ])('that holds %s is read the same', async (_what, more) => {
    const body = JSON.stringify({ data: rows(more) });
    expect(await readEnvelope(body)).toEqual(parseEnvelope(body));
  });

  it.each([
    ['cut off', (body: string) => body.slice(0, -5)],
    ['cut off in the middle', (body: string) => body.slice(0, body.length / 2)],
    ['followed by more', (body: string) => `${body}x`],
    ['broken amid', (body: string) => `${body.slice(0, 1_000_000)}"${body.slice(1_000_000)}`],
  ])('that is %s is none, as ever', async (_what, spoil) => {
    const body = spoil(JSON.stringify({ data: rows() }));
    expect(parseEnvelope(body)).toBeUndefined();
    expect(await readEnvelope(body)).toBeUndefined();
  });

  it('is only that where it is one and large', async () => {
    expect(await parseLargeList(JSON.stringify({ data: [row(1)] }))).toBeUndefined();
    expect(await parseLargeList(JSON.stringify({ data: 'x'.repeat(1_000_000) }))).toBeUndefined();
    expect(await readEnvelope(JSON.stringify({ data: 'x'.repeat(1_000_000) }))).toMatchObject({
      data: expect.any(String),
    });
  });
});

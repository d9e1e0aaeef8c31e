import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { agree } from '../../../src/cli/agree.ts';

/** What `agree` does with this key pressed, once it has asked. */
async function answer(key: string): Promise<unknown> {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 200, rows: 50 });
  const asked = new Promise<void>((shown) => {
    output.on('data', (text: Buffer) => {
      if (text.includes('Is that meant?')) shown();
    });
  });
  const answered = agree('Is that meant?', { input, output }).catch((error: unknown) => error);
  await asked;
  // The prompt listens to keys once it is shown.
  await nextTurn();
  input.write(key);
  return await answered;
}

describe('agree', () => {
  it('goes on after yes', async () => {
    expect(await answer('y')).toBeUndefined();
  });

  it('stops at no, which is also what Enter answers', async () => {
    expect(await answer('n')).toMatchObject({ message: 'Nothing was written.', exitCode: 1 });
    expect(await answer('\r')).toMatchObject({ message: 'Nothing was written.', exitCode: 1 });
  });

  it('stops at Ctrl-C', async () => {
    expect(await answer('\x03')).toMatchObject({ message: 'Nothing was written.', exitCode: 130 });
  });
});

import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { showProgress } from '../../../src/cli/progress.ts';

function stream(isTTY: boolean) {
  let text = '';
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return { sink: Object.assign(sink, { isTTY }) as unknown as NodeJS.WriteStream, text: () => text };
}

it('writes nothing where there is no terminal', () => {
  const { sink, text } = stream(false);
  {
    using line = showProgress('working', sink);
    line.update('still working');
  }
  expect(text()).toBe('');
});

it('shows the latest text on a terminal and clears the line at the end', () => {
  const { sink, text } = stream(true);
  {
    using line = showProgress('working', sink);
    line.update('still working');
  }
  expect(text()).toMatch(/working[\s\S]*still working/);
  expect(text().endsWith('\r\x1b[K')).toBe(true);
});

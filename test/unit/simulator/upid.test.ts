import { expect, test } from 'vitest';
import { formatUpid, parseUpid } from '../../../src/simulator/state/upid.ts';

const parts = {
  node: 'pve1',
  pid: 0x1234,
  pstart: 0xabcdef,
  starttime: 0x6720a1b2,
  type: 'qmstart',
  id: '100',
  user: 'mcp@pve!mcp',
};
const text = 'UPID:pve1:00001234:00ABCDEF:6720A1B2:qmstart:100:mcp@pve!mcp:';

test('a UPID is written as PVE writes it', () => {
  expect(formatUpid(parts)).toBe(text);
});

test('a UPID is read back, with an empty id too', () => {
  expect(parseUpid(text)).toEqual(parts);
  expect(parseUpid('UPID:pve1:00001234:00ABCDEF:6720A1B2:aptupdate::root@pam:')).toMatchObject({ id: '' });
});

test.each(['', 'UPID', text.slice(0, -1), text.replace('00001234', 'xyz'), `${text}x`])(
  'what is no UPID is refused: %s',
  (wrong) => {
    expect(parseUpid(wrong)).toBeUndefined();
  },
);

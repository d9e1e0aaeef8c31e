import { expect, it } from 'vitest';
import { readSettings } from '../../../../src/tools/network/sdn-rules.ts';

it.each(['__defineGetter__', 'constructor', '__proto__', 'toString', 'nonsense'])(
  'takes %s for no type of a zone',
  (type) => {
    expect(readSettings('zone', type, { mtu: 1500 }, { isNew: true, reset: [] })).toHaveProperty('problem');
  },
);

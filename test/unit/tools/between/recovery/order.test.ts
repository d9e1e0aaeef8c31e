import { describe, expect, it } from 'vitest';
import { byStartup, startupOf } from '../../../../../src/tools/between/recovery/order.ts';

describe('startupOf', () => {
  it.each([
    ['order=1,up=30,down=60', { order: 1, upSeconds: 30 }],
    ['2,up=5', { order: 2, upSeconds: 5 }],
    ['7', { order: 7 }],
    ['up=10', { upSeconds: 10 }],
    ['down=3', {}],
    ['order=x,up=-1', {}],
    [undefined, {}],
  ])('%s', (text, wanted) => {
    expect(startupOf(text)).toEqual(wanted);
  });
});

describe('byStartup', () => {
  it('goes by order, then what HA or onboot would start, then by VMID; without an order last', () => {
    const guests = [
      { vmid: 1, startup: {} },
      { vmid: 2, startup: {}, onboot: true },
      { vmid: 3, startup: {}, isHa: true },
      { vmid: 4, startup: { order: 5 } },
      { vmid: 5, startup: { order: 0 } },
      { vmid: 6, startup: { order: 5 }, onboot: true },
      { vmid: 7, startup: { upSeconds: 3 } },
    ];
    expect(guests.toSorted(byStartup).map(({ vmid }) => vmid)).toEqual([5, 6, 4, 3, 2, 1, 7]);
  });
});

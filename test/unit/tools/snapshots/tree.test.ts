import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../../../src/tools/snapshots/snapshots.ts';
import { treeOf } from '../../../../src/tools/snapshots/tree.ts';

const snapshot = (name: string, takenAt: number, parent?: string): Snapshot => {
  return { name, takenAt, hasRam: false, ...(parent === undefined ? {} : { parent }) };
};

function lines(all: Snapshot[], current?: string): string[] {
  return treeOf({ all, current }).map(
    ({ snapshot: { name }, depth, isCurrent }) => `${'  '.repeat(depth)}${name}${isCurrent ? ' *' : ''}`,
  );
}

describe('the tree of snapshots', () => {
  it('puts each before its children, brothers by age, and marks where the guest stands', () => {
    const all = [
      snapshot('young', 4, 'root'),
      snapshot('grandchild', 5, 'old'),
      snapshot('root', 1),
      snapshot('old', 2, 'root'),
      snapshot('other', 3),
    ];
    expect(lines(all, 'grandchild')).toEqual(['root', '  old', '    grandchild *', '  young', 'other']);
  });

  it('takes one whose parent is gone for a root', () => {
    expect(lines([snapshot('orphan', 1, 'gone')])).toEqual(['orphan']);
  });

  it('shows a ring of parents once and ends', () => {
    expect(lines([snapshot('a', 1, 'b'), snapshot('b', 2, 'a'), snapshot('self', 3, 'self')])).toEqual([
      'a',
      '  b',
      'self',
    ]);
  });

  it('holds a chain of ten thousand', () => {
    const chain = Array.from({ length: 10_000 }, (_, index) =>
      snapshot(`s${index}`, index, index === 0 ? undefined : `s${index - 1}`),
    );
    expect(treeOf({ all: chain, current: undefined }).at(-1)?.depth).toBe(9999);
  });

  it('is empty for a guest without any', () => {
    expect(treeOf({ all: [], current: undefined })).toEqual([]);
  });
});

import type { Snapshot, Snapshots } from './snapshots.ts';

/** A snapshot and where it stands. */
export interface Placed {
  snapshot: Snapshot;
  /** 0 for one that was not taken on top of another. */
  depth: number;
  /** The present state of the guest descends from it. */
  isCurrent: boolean;
}

/**
 * Puts snapshots in the order of their tree: each before its children, brothers by age. One whose parent is gone counts
 * as a root, and a ring of parents, which a broken configuration may hold, is shown once.
 */
export function treeOf({ all, current }: Snapshots): Placed[] {
  const names = new Set(all.map(({ name }) => name));
  const byAge = [...all].sort((a, b) => (a.takenAt ?? 0) - (b.takenAt ?? 0));
  const children = Map.groupBy(byAge, ({ parent }) => (parent && names.has(parent) ? parent : ''));
  const placed = new Map<string, Placed>();
  const place = (roots: readonly Snapshot[]): void => {
    // A stack and no recursion: a chain may be as long as the guest is old.
    const open = roots.map((snapshot) => ({ snapshot, depth: 0 })).reverse();
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { snapshot, depth } = next;
      if (placed.has(snapshot.name)) continue;
      placed.set(snapshot.name, { snapshot, depth, isCurrent: snapshot.name === current });
      const below = children.get(snapshot.name) ?? [];
      open.push(...below.map((child) => ({ snapshot: child, depth: depth + 1 })).reverse());
    }
  };
  place(children.get('') ?? []);
  for (const snapshot of byAge) place([snapshot]);
  return [...placed.values()];
}

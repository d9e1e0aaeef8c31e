import { byName } from './capacity.ts';

export const ASPECTS = [
  'versions',
  'nodes',
  'storages',
  'networks',
  'templates',
  'roles',
  'backup_jobs',
] as const;
export type Aspect = (typeof ASPECTS)[number];

const MOST_CHARACTERS = 600;

/** One thing of a cluster, such as a storage, as it compares. */
export interface Item {
  /** What a person reads. */
  text: string;
  /** Items are alike where this is the same; the text where absent. */
  same?: string;
  /** A set, such as the privileges of a role: where two differ, what each lacks is told in place of the text. */
  members?: readonly string[];
}

/** The items of one aspect of a cluster, by the name that they are held against each other by. */
export type Items = ReadonlyMap<string, Item>;

export interface ComparedRow {
  aspect: Aspect;
  item: string;
  status: 'differs' | 'only_some' | 'alike';
  /** By cluster. */
  values: Record<string, string>;
  /** Clusters that have no such item. */
  missing?: string[];
}

export interface AspectCount {
  aspect: Aspect;
  /** Clusters that could be compared in this. */
  clusters: number;
  alike: number;
  differ: number;
  only_some: number;
}

/**
 * Holds one aspect of several clusters against each other.
 *
 * @param byCluster only the clusters whose items are known: an unread one must not look as if it had none
 * @returns a row per item, by name; no rows where fewer than two clusters are known
 */
export function compareAspect(
  aspect: Aspect,
  byCluster: ReadonlyMap<string, Items>,
): { rows: ComparedRow[]; count: AspectCount } {
  const names = new Set([...byCluster.values()].flatMap((items) => [...items.keys()]));
  const rows =
    byCluster.size < 2 ? [] : [...names].sort(byName).map((item) => compareItem(aspect, item, byCluster));
  const countOf = (status: ComparedRow['status']): number =>
    rows.filter((row) => row.status === status).length;
  return {
    rows,
    count: {
      aspect,
      clusters: byCluster.size,
      alike: countOf('alike'),
      differ: countOf('differs'),
      only_some: countOf('only_some'),
    },
  };
}

/** Collects items; two of one name in one cluster become one that tells of both. */
export function itemsOf(entries: readonly (readonly [name: string, item: Item])[]): Items {
  const items = new Map<string, Item>();
  for (const [name, group] of Map.groupBy(entries, ([key]) => key)) {
    const sorted = group.map(([, item]) => item).sort((a, b) => byName(a.text, b.text));
    const [first] = sorted;
    if (first === undefined) continue;
    const same = sorted.map((item) => item.same ?? item.text).sort(byName);
    items.set(
      name,
      sorted.length === 1
        ? first
        : { text: sorted.map(({ text }) => text).join('; '), same: same.join('; ') },
    );
  }
  return items;
}

function compareItem(aspect: Aspect, item: string, byCluster: ReadonlyMap<string, Items>): ComparedRow {
  const present = [...byCluster].flatMap(([cluster, items]) => {
    const found = items.get(item);
    return found === undefined ? [] : [{ cluster, found }];
  });
  const missing = [...byCluster.keys()].filter((cluster) => !present.some((one) => one.cluster === cluster));
  const kinds = new Set(present.map(({ found }) => found.same ?? found.text));
  const differs = kinds.size > 1;
  const union = new Set(present.flatMap(({ found }) => found.members ?? []));
  return {
    aspect,
    item,
    status: differs ? 'differs' : missing.length > 0 ? 'only_some' : 'alike',
    values: Object.fromEntries(
      present.map(({ cluster, found }) => [cluster, cut(differs ? against(found, union) : found.text)]),
    ),
    ...(missing.length === 0 ? {} : { missing }),
  };
}

/** One row must never fill a whole answer. */
function cut(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}…`;
}

function against({ text, members }: Item, union: ReadonlySet<string>): string {
  if (members === undefined) return text;
  const own = new Set(members);
  const lacks = [...union].filter((member) => !own.has(member)).sort(byName);
  return lacks.length === 0
    ? `all ${union.size}`
    : `${own.size} of ${union.size}, without ${lacks.join(', ')}`;
}

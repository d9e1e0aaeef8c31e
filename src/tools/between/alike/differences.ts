import type { GatedCluster } from '../../../access/gate.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import {
  changesOf,
  contentOf,
  type Definition,
  KINDS,
  type Kind,
  type Site,
  type Write,
} from './definition.ts';
import { DEFINITION_KINDS, type Readings } from './readings.ts';

/** Something that one cluster has and the other has not, or has otherwise. */
export interface Difference {
  kind: Kind;
  name: string;
  status: 'missing' | 'different' | 'only_there';
  /** In words: what it holds, or what becomes another one. */
  details: string[];
  /** Why it is not made alike. */
  blocked: string[];
  /** None: it stays as it is. */
  writes: readonly Write[];
}

export interface Compared {
  alike: number;
  /** In the order in which they are applied. */
  differences: Difference[];
}

export interface CompareOptions {
  kinds: readonly Kind[];
  fits: (name: string) => boolean;
  storageMap: Readonly<Record<string, string>>;
  deleteExtra: boolean;
}

/** Holds what one cluster has against what another has, and says how the other becomes alike. */
export async function compareDefinitions(
  from: Readings,
  here: Readings,
  cluster: GatedCluster,
  options: CompareOptions,
): Promise<Compared> {
  const site = new TargetSite(cluster, here, options.storageMap);
  const kinds = KINDS.filter((kind) => options.kinds.includes(kind));
  const sides = { from, here, site };
  const compared = new Map<Kind, ComparedKind>();
  for (const kind of kinds) compared.set(kind, await compareKind(kind, sides, options));
  const differences = [...compared.values()].flatMap((one) => one.differences);
  // What names others goes before them.
  for (const kind of kinds.toReversed()) {
    const matched = compared.get(kind)?.matched ?? new Set();
    differences.push(...(await extraOf(kind, { ...sides, matched }, options)));
  }
  const alike = [...compared.values()].reduce((sum, one) => sum + one.alike, 0);
  return { alike, differences };
}

interface Sides {
  from: Readings;
  here: Readings;
  site: TargetSite;
}

interface ComparedKind extends Compared {
  /** Names at the target that belong to one of the source. */
  matched: Set<string>;
}

async function compareKind<K extends Kind>(
  kind: K,
  { from, here, site }: Sides,
  { fits }: CompareOptions,
): Promise<ComparedKind> {
  const spec = DEFINITION_KINDS[kind];
  const [sources, present] = [from.definitions[kind], here.definitions[kind]];
  const compared: ComparedKind = { alike: 0, differences: [], matched: new Set() };
  if (sources === undefined || present === undefined) return compared;
  const isAtBoth = new Set(sources.map(({ name }) => name));
  for (const source of sources.filter(({ name }) => fits(name))) {
    const wanted = spec.mapped?.(source, site) ?? source;
    const others = present.filter(({ name }) => !isAtBoth.has(name));
    const there = present.find(({ name }) => name === source.name) ?? spec.twin?.(wanted, others);
    if (there !== undefined) compared.matched.add(there.name);
    if (there?.same === wanted.same) {
      compared.alike += 1;
      continue;
    }
    const blocked = await sentences(async () => (await spec.problems?.(wanted, site)) ?? []);
    const isFree = blocked.length === 0;
    if (there === undefined) {
      if (isFree) site.expect(kind, source.name, true);
      const writes = isFree ? spec.make(wanted, site) : [];
      const row = { kind, name: source.name, status: 'missing' as const, details: contentOf(wanted) };
      compared.differences.push({ ...row, blocked, writes });
    } else {
      const writes = isFree ? spec.change(wanted, there, site) : [];
      const row = { kind, name: there.name, status: 'different' as const, details: changesOf(there, wanted) };
      compared.differences.push({ ...row, blocked, writes });
    }
  }
  return compared;
}

/** What only the target has. */
async function extraOf<K extends Kind>(
  kind: K,
  { from, here, site, matched }: Sides & { matched: ReadonlySet<string> },
  { fits, deleteExtra }: CompareOptions,
): Promise<Difference[]> {
  const spec = DEFINITION_KINDS[kind];
  const [sources, present] = [from.definitions[kind], here.definitions[kind]];
  if (sources === undefined || present === undefined) return [];
  const names = new Set(sources.map(({ name }) => name));
  const extra = present.filter(({ name }) => !names.has(name) && !matched.has(name) && fits(name));
  const differences: Difference[] = [];
  // A pool in a pool goes before it.
  for (const one of extra.toReversed()) {
    const row = { kind, name: one.name, status: 'only_there' as const, details: contentOf(one) };
    let writes: readonly Write[] = [];
    let blocked: string[] = [];
    if (deleteExtra && from.partial.has(kind)) {
      blocked = ['The source may have it, too: its token does not see all.'];
    } else if (deleteExtra) {
      blocked = await sentences(async () => {
        const removal = await spec.remove(one, site);
        if (typeof removal === 'string') return [removal];
        writes = removal;
        return [];
      });
      if (writes.length > 0) site.expect(kind, one.name, false);
    }
    differences.push({ ...row, blocked, writes });
  }
  return differences;
}

/** What can't be found out is a reason to leave it. */
async function sentences(ask: () => Promise<string[]>): Promise<string[]> {
  try {
    return await ask();
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    return [`It could not be found out whether it goes: ${code}: ${message}`];
  }
}

/** The target as it will be: with what is made, without what is deleted. */
class TargetSite implements Site {
  readonly cluster: GatedCluster;
  readonly storageMap: Readonly<Record<string, string>>;
  readonly #here: Readings;
  readonly #expected = new Map<Kind, Map<string, boolean>>();
  readonly #asked = new Map<string, Promise<unknown>>();

  constructor(cluster: GatedCluster, here: Readings, storageMap: Readonly<Record<string, string>>) {
    this.cluster = cluster;
    this.#here = here;
    this.storageMap = storageMap;
  }

  /** Says that something will be there, or will be no more. */
  expect(kind: Kind, name: string, isThere: boolean): void {
    const expected = this.#expected.get(kind) ?? new Map<string, boolean>();
    this.#expected.set(kind, expected.set(name, isThere));
  }

  async names(kind: Kind): Promise<ReadonlySet<string>> {
    const present =
      this.#here.definitions[kind] ??
      (await this.once<readonly Definition[]>(`names of ${kind}`, () =>
        DEFINITION_KINDS[kind].read(this.cluster),
      ));
    const names = new Set(present.map(({ name }) => name));
    for (const [name, isThere] of this.#expected.get(kind) ?? []) {
      if (isThere) names.add(name);
      else names.delete(name);
    }
    return names;
  }

  once = <T>(key: string, ask: () => Promise<T>): Promise<T> => {
    const known = this.#asked.get(key) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const asked = ask();
    this.#asked.set(key, asked);
    return asked;
  };
}

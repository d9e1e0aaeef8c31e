import { isTrue, type Json } from '../../../catalogue/json.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { type Generation, itemsOf, sidOf, vmidOf } from '../../ha/ha.ts';
import { ruleName } from '../../ha/rule-row.ts';
import { textOf } from '../../results.ts';

/** Guests that belong on one node, or each on another one. */
export interface Group {
  kind: 'together' | 'apart';
  /** HA moves none of them elsewhere; a tag is a wish. */
  strict: boolean;
  /** `the tag keep-apart-db`, `the HA rule "db"`. */
  name: string;
  vmids: ReadonlySet<number>;
}

/** The nodes where HA runs a guest. */
interface NodeRule {
  name: string;
  nodes: ReadonlySet<string>;
  /** HA runs it nowhere else; otherwise it brings it back there. */
  strict: boolean;
}

/** Which guests belong where, by their tags and by what HA was told. */
export interface Affinity {
  groups: readonly Group[];
  /** By VMID. */
  nodes: ReadonlyMap<number, readonly NodeRule[]>;
}

/** What speaks against a node. `strict`: it must not be; else it had better not be. */
export interface Objection {
  why: string;
  strict: boolean;
}

/** What HA was told, as far as it could be read. */
export interface HaWishes {
  generation: Generation;
  rules: readonly Json[];
  /** By `sid`. */
  resources: ReadonlyMap<string, Json>;
}

const TAG = /^keep-(together|apart)-(.+)$/;

/** Reads the tags `keep-together-X` and `keep-apart-X`, and the rules or groups of HA that are in force. */
export function affinityOf(guests: readonly GuestRow[], ha: HaWishes | undefined): Affinity {
  const tags = new Map<string, Set<number>>();
  for (const { vmid, tags: own, template } of guests) {
    if (template) continue;
    for (const tag of own) if (TAG.test(tag)) tags.set(tag, (tags.get(tag) ?? new Set()).add(vmid));
  }
  const byTag = [...tags].map(([tag, vmids]) => ({
    kind: kindOf(tag),
    strict: false,
    name: `the tag ${quoted(tag)}`,
    vmids,
  }));
  if (ha === undefined) return { groups: byTag, nodes: new Map() };
  const managed = new Map(guests.map((guest) => [sidOf(guest), guest.vmid]));
  const nodes = new Map<number, NodeRule[]>();
  const groups: Group[] = [];
  for (const row of ha.rules.filter(({ disable }) => !isTrue(disable))) {
    const rule = `the HA ${ha.generation === 'rules' ? 'rule' : 'group'} ${quoted(ruleName(row, ha.generation))}`;
    const vmids = sidsOf(row, ha)
      .filter((sid) => managed.has(sid))
      .map(vmidOf);
    if (row.type === 'resource-affinity') {
      const kind = textOf(row.affinity) === 'negative' ? 'apart' : 'together';
      groups.push({ kind, strict: true, name: rule, vmids: new Set(vmids) });
      continue;
    }
    const strict = isTrue(row.strict) || isTrue(row.restricted);
    const wanted = new Set(strict ? itemsOf(row.nodes).map(nodeOf) : preferred(itemsOf(row.nodes)));
    for (const vmid of vmids)
      nodes.set(vmid, [...(nodes.get(vmid) ?? []), { name: rule, nodes: wanted, strict }]);
  }
  return { groups: [...byTag, ...groups].filter(({ vmids }) => vmids.size > 0), nodes };
}

/** What would speak against a new guest with these tags. @param vmid of none */
export function withNewGuest(affinity: Affinity, vmid: number, tags: readonly string[]): Affinity {
  const groups = tags
    .filter((tag) => TAG.test(tag))
    .map((tag) => {
      const name = `the tag ${quoted(tag)}`;
      const known = affinity.groups.find((group) => group.name === name);
      return { kind: kindOf(tag), strict: false, name, vmids: new Set([...(known?.vmids ?? []), vmid]) };
    });
  const names = new Set(groups.map(({ name }) => name));
  return { ...affinity, groups: [...affinity.groups.filter(({ name }) => !names.has(name)), ...groups] };
}

/** @param nodeOfGuest where each guest is, or will be; undefined for one that is nowhere */
export function objections(
  { groups, nodes }: Affinity,
  vmid: number,
  node: string,
  nodeOfGuest: (vmid: number) => string | undefined,
): Objection[] {
  const byGroup = groups
    .filter(({ vmids }) => vmids.has(vmid))
    .flatMap(({ kind, strict, name, vmids }): Objection[] => {
      const others = [...vmids].filter((other) => other !== vmid && nodeOfGuest(other) !== undefined);
      const here = others.filter((other) => nodeOfGuest(other) === node);
      if (kind === 'apart' && here.length > 0) {
        return [{ why: `${name} keeps it from ${someOf(here.map(String))}, which is there`, strict }];
      }
      if (kind === 'together' && here.length < others.length) {
        const away = others.filter((other) => !here.includes(other));
        return [{ why: `${name} keeps it with ${someOf(away.map(String))}, which is not there`, strict }];
      }
      return [];
    });
  const byNode = (nodes.get(vmid) ?? [])
    .filter((rule) => !rule.nodes.has(node))
    .map(({ name, strict, nodes: wanted }) => {
      const where = someOf([...wanted].map(quoted)) || 'no node';
      const why = strict
        ? `${name} allows ${where} alone`
        : `${name} prefers ${where}: HA would bring it back there`;
      return { why, strict };
    });
  return [...byGroup, ...byNode];
}

function kindOf(tag: string): Group['kind'] {
  return TAG.exec(tag)?.[1] === 'apart' ? 'apart' : 'together';
}

function sidsOf(row: Json, { generation, resources }: HaWishes): string[] {
  if (generation === 'rules') return itemsOf(row.resources);
  return [...resources].filter(([, { group }]) => group === row.group).map(([sid]) => sid);
}

function nodeOf(item: string): string {
  return item.split(':')[0] ?? '';
}

/** Those of the highest priority: HA moves a guest there as soon as one of them is up. */
function preferred(items: readonly string[]): string[] {
  const priorityOf = (item: string): number => Number(item.split(':')[1] ?? 0);
  const highest = Math.max(...items.map(priorityOf));
  return items.filter((item) => priorityOf(item) === highest).map(nodeOf);
}

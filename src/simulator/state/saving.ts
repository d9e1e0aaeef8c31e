import type { ClusterState } from './cluster-state.ts';
import type { Task } from './tasks.ts';

/** The whole state of a cluster as JSON, secrets included; maps and sets are marked as such. */
export type SavedState = Record<string, unknown>;

/** How the cluster is run, or what only exists while it runs. */
const TRANSIENT = new Set([
  'clock',
  'peers',
  'uploads',
  'tickets',
  'hazards',
  'broadcast',
  'release',
  'tasks',
]);

/** Points from a volume to the same one in another cluster. */
const REFERENCES = new Set(['original']);

export function saveState(state: ClusterState): SavedState {
  const parts = Object.entries(state).filter(([key]) => !TRANSIENT.has(key));
  return {
    ...Object.fromEntries(parts.map(([key, value]) => [key, freeze(value)])),
    tasks: freeze(state.tasks.saved()),
  };
}

/**
 * Puts a saved state into a fresh one, in place: parts of a state know each other.
 *
 * @throws Error for a part that no cluster has saved so
 */
export function restoreState(state: ClusterState, saved: SavedState): void {
  const { tasks, nodes, ...parts } = saved;
  const known = new Map(state.nodes.map((node) => [node.name, node]));
  for (const node of asList(thaw(nodes))) Object.assign(known.get(String(node.name)) ?? {}, node);
  const target = state as unknown as Record<string, unknown>;
  for (const [key, value] of Object.entries(parts)) {
    if (TRANSIENT.has(key)) continue;
    const content = thaw(value);
    if (kindOf(target[key]) !== kindOf(content)) throw new Error(`"${key}" is not as a cluster saves it`);
    target[key] = refill(target[key], content);
  }
  state.tasks.restore(asList(thaw(tasks)) as unknown as Task[]);
}

function kindOf(value: unknown): string {
  if (value instanceof Map) return 'map';
  return Array.isArray(value) ? 'list' : typeof value;
}

function asList(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value : [];
}

function freeze(value: unknown): unknown {
  if (value instanceof Map) return { $map: [...value].map(([key, item]) => [key, freeze(item)]) };
  if (value instanceof Set) return { $set: [...value] };
  if (Array.isArray(value)) return value.map(freeze);
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value;
  const entries = Object.entries(value).filter(([key]) => !REFERENCES.has(key));
  return Object.fromEntries(entries.map(([key, item]) => [key, freeze(item)]));
}

function thaw(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(thaw);
  if (typeof value !== 'object' || value === null) return value;
  if ('$map' in value && Array.isArray(value.$map)) {
    return new Map(value.$map.map(([key, item]: [unknown, unknown]) => [key, thaw(item)]));
  }
  if ('$set' in value && Array.isArray(value.$set)) return new Set(value.$set);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, thaw(item)]));
}

/** Containers and objects of a class stay the same and get the saved content; anything else is replaced. */
function refill(present: unknown, saved: unknown): unknown {
  if (Array.isArray(present) && Array.isArray(saved)) {
    present.splice(0, present.length, ...saved);
    return present;
  }
  if (present instanceof Map && saved instanceof Map) {
    present.clear();
    for (const [key, value] of saved) present.set(key, value);
    return present;
  }
  if (isInstance(present) && typeof saved === 'object' && saved !== null) {
    for (const [key, value] of Object.entries(saved)) present[key] = refill(present[key], value);
    return present;
  }
  return saved;
}

function isInstance(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.getPrototypeOf(value) !== Object.prototype &&
    !Array.isArray(value)
  );
}

export interface Match<Route> {
  route: Route;
  /** The values of the path's placeholders. */
  path: Record<string, string>;
}

interface Routable {
  method: string;
  /** As in the schema: `/nodes/{node}/qemu/{vmid}/config` */
  path: string;
  /** The last placeholder takes the rest of the path, slashes and all. */
  openEnded?: boolean;
}

interface Branch<Route> {
  literal: Map<string, Branch<Route>>;
  placeholder?: Branch<Route>;
  routes: Map<string, Route>;
}

export const segmentsOf = (path: string): string[] => path.split('/').filter((segment) => segment !== '');

/** The name in a placeholder segment; undefined for a literal one. */
export function placeholderOf(segment: string | undefined): string | undefined {
  return /^\{(.+)\}$/.exec(segment ?? '')?.[1];
}

/** Finds the declared method for a call, as a tree over path segments; a literal segment wins over a placeholder. */
export class Router<Route extends Routable> {
  readonly #root: Branch<Route> = newBranch();

  constructor(routes: Iterable<Route>) {
    for (const route of routes) this.#add(route);
  }

  /** @param path relative to /api2/json, already percent-decoded, as PVE decodes before it splits */
  find(verb: string, path: string): Match<Route> | undefined {
    return descend(this.#root, segmentsOf(path), verb, []);
  }

  #add(route: Route): void {
    let branch = this.#root;
    for (const segment of segmentsOf(route.path)) {
      if (placeholderOf(segment) !== undefined) {
        branch.placeholder ??= newBranch();
        branch = branch.placeholder;
      } else {
        const next = branch.literal.get(segment) ?? newBranch<Route>();
        branch.literal.set(segment, next);
        branch = next;
      }
    }
    branch.routes.set(route.method, route);
  }
}

function newBranch<Route>(): Branch<Route> {
  return { literal: new Map(), routes: new Map() };
}

function descend<Route extends Routable>(
  branch: Branch<Route>,
  segments: string[],
  verb: string,
  values: string[],
): Match<Route> | undefined {
  const [segment, ...rest] = segments;
  if (segment === undefined) {
    const route = branch.routes.get(verb);
    return route && { route, path: named(route.path, values) };
  }
  const literal = branch.literal.get(segment);
  if (literal) return descend(literal, rest, verb, values);
  const next = branch.placeholder;
  if (!next) return undefined;
  if (next.routes.get(verb)?.openEnded) return descend(next, [], verb, [...values, segments.join('/')]);
  return descend(next, rest, verb, [...values, segment]);
}

/** Two methods may name the same place of the path differently. */
function named(template: string, values: string[]): Record<string, string> {
  const names = segmentsOf(template).flatMap((segment) => placeholderOf(segment) ?? []);
  return Object.fromEntries(names.map((name, position) => [name, values[position] ?? '']));
}

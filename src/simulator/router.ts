import type { Method } from './methods/method.ts';

export interface Match {
  method: Method;
  /** The values of the path's placeholders. */
  path: Record<string, string>;
}

interface Branch {
  literal: Map<string, Branch>;
  placeholder?: { name: string; branch: Branch };
  methods: Map<string, Method>;
}

/** Finds the declared method for a call, as a tree over path segments; a literal segment wins over a placeholder. */
export class Router {
  readonly #root: Branch = { literal: new Map(), methods: new Map() };

  constructor(methods: Method[]) {
    for (const method of methods) this.#add(method);
  }

  /** @param path relative to /api2/json, already percent-decoded, as PVE decodes before it splits */
  find(verb: string, path: string): Match | undefined {
    const segments = path.split('/').filter((segment) => segment !== '');
    return this.#descend(this.#root, segments, verb, {});
  }

  #add(method: Method): void {
    let branch = this.#root;
    for (const segment of method.path.split('/').filter(Boolean)) {
      const name = /^\{(.+)\}$/.exec(segment)?.[1];
      if (name === undefined) {
        const next = branch.literal.get(segment) ?? { literal: new Map(), methods: new Map() };
        branch.literal.set(segment, next);
        branch = next;
      } else {
        branch.placeholder ??= { name, branch: { literal: new Map(), methods: new Map() } };
        branch = branch.placeholder.branch;
      }
    }
    branch.methods.set(method.method, method);
  }

  #descend(branch: Branch, segments: string[], verb: string, path: Match['path']): Match | undefined {
    const [segment, ...rest] = segments;
    if (segment === undefined) {
      const method = branch.methods.get(verb);
      return method && { method, path };
    }
    const literal = branch.literal.get(segment);
    if (literal) return this.#descend(literal, rest, verb, path);
    if (!branch.placeholder) return undefined;
    const { name, branch: next } = branch.placeholder;
    const openEnded = next.methods.get(verb)?.openEnded;
    if (openEnded) return this.#descend(next, [], verb, { ...path, [name]: segments.join('/') });
    return this.#descend(next, rest, verb, { ...path, [name]: segment });
  }
}

import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { ToolListing } from '../tools/registry.ts';

/** What was shown of a directory's clusters. */
export interface Shown {
  tools: readonly ToolListing[];
  /** Their names: each is a resource. */
  clusters: readonly string[];
}

/** Which lists are no longer the ones that were shown. */
export interface ChangedLists {
  tools: boolean;
  resources: boolean;
}

export interface ListListener {
  changed(lists: ChangedLists): void;
  /** The directory's cluster is no longer configured: what was opened to it has no more to say. */
  gone(): void;
}

interface Watched {
  /** The lists as they were last seen, serialised; undefined once the directory is gone. */
  shown: Record<keyof Shown, string> | undefined;
  readonly listeners: Set<ListListener>;
}

/** Tells those who were shown a list when it becomes another one (`notifications/…/list_changed`). */
export class ListChanges {
  readonly #shownOf: (directory: ClusterDirectory) => Shown;
  readonly #watched = new Map<ClusterDirectory, Watched>();

  /** @param shownOf the lists as that directory's clients see them; throws where its cluster is gone */
  constructor(shownOf: (directory: ClusterDirectory) => Shown) {
    this.#shownOf = shownOf;
  }

  /** How many listeners there are, for those who look for a leak. */
  get size(): number {
    return [...this.#watched.values()].reduce((sum, { listeners }) => sum + listeners.size, 0);
  }

  /** @returns takes the listener back */
  subscribe(directory: ClusterDirectory, listener: ListListener): () => void {
    const known = this.#watched.get(directory);
    const watched = known ?? { shown: this.#listsOf(directory), listeners: new Set() };
    if (known === undefined) this.#watched.set(directory, watched);
    watched.listeners.add(listener);
    return () => {
      watched.listeners.delete(listener);
      if (watched.listeners.size === 0 && this.#watched.get(directory) === watched)
        this.#watched.delete(directory);
    };
  }

  /**
   * Compares every list with the one that was shown last, and tells where it is another; called after each reload.
   *
   * @param isOther the policy is another one: what each principal sees of a list may have changed, so all are told
   */
  refresh(isOther = false): void {
    for (const [directory, watched] of [...this.#watched]) {
      const before = watched.shown;
      const lists = this.#listsOf(directory);
      watched.shown = lists;
      const changed = {
        tools: isOther || lists?.tools !== before?.tools,
        resources: isOther || lists?.clusters !== before?.clusters,
      };
      if (!changed.tools && !changed.resources) continue;
      for (const listener of [...watched.listeners]) {
        if (lists === undefined) listener.gone();
        else listener.changed(changed);
      }
    }
  }

  #listsOf(directory: ClusterDirectory): Record<keyof Shown, string> | undefined {
    try {
      const { tools, clusters } = this.#shownOf(directory);
      return { tools: JSON.stringify(tools), clusters: JSON.stringify(clusters) };
    } catch {
      return undefined;
    }
  }
}

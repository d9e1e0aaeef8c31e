import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { ToolListing } from '../tools/registry.ts';

export interface ListListener {
  /** The tools are no longer the ones that were shown. */
  changed(): void;
  /** The directory's cluster is no longer configured: what was opened to it has no more to say. */
  gone(): void;
}

interface Watched {
  /** The list as it was last seen, serialised; undefined once the directory is gone. */
  shown: string | undefined;
  readonly listeners: Set<ListListener>;
}

/** Tells those who were shown a list of tools when it becomes another one (`notifications/tools/list_changed`). */
export class ListChanges {
  readonly #toolsOf: (directory: ClusterDirectory) => readonly ToolListing[];
  readonly #watched = new Map<ClusterDirectory, Watched>();

  /** @param toolsOf the tools as that directory's clients see them; throws where its cluster is gone */
  constructor(toolsOf: (directory: ClusterDirectory) => readonly ToolListing[]) {
    this.#toolsOf = toolsOf;
  }

  /** How many listeners there are, for those who look for a leak. */
  get size(): number {
    return [...this.#watched.values()].reduce((sum, { listeners }) => sum + listeners.size, 0);
  }

  /** @returns takes the listener back */
  subscribe(directory: ClusterDirectory, listener: ListListener): () => void {
    const known = this.#watched.get(directory);
    const watched = known ?? { shown: this.#listOf(directory), listeners: new Set() };
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
      const list = this.#listOf(directory);
      if (list === watched.shown && !isOther) continue;
      watched.shown = list;
      for (const listener of [...watched.listeners]) {
        if (list === undefined) listener.gone();
        else listener.changed();
      }
    }
  }

  #listOf(directory: ClusterDirectory): string | undefined {
    try {
      return JSON.stringify(this.#toolsOf(directory));
    } catch {
      return undefined;
    }
  }
}

import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { Caller } from './dispatcher.ts';

/** Gives callers the same key where all is the same that decides what they see, whichever credential and door. */
export class CallerKeys {
  readonly #directories = new WeakMap<ClusterDirectory, number>();
  #last = 0;

  of({ principal, directory, readOnly, toolsets }: Caller): string {
    const known = this.#directories.get(directory) ?? ++this.#last;
    this.#directories.set(directory, known);
    const { id, client, groups, scopes } = principal;
    const offered = toolsets && [...toolsets].sort();
    return JSON.stringify([known, id, client, [...groups].sort(), [...scopes].sort(), readOnly, offered]);
  }
}

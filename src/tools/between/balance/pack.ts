/** What a node can still take. */
export interface Room {
  node: string;
  freeBytes: number;
  totalBytes: number;
  cpus: number;
}

/** A guest that needs a place. */
export interface Item {
  vmid: number;
  /** 0 for one that is down. */
  memBytes: number;
  vcpus: number;
}

/** What speaks against a place, once the guests before it have theirs. */
export interface Verdict {
  isRefused: boolean;
  /** How much it had better not be there. */
  doubts: number;
}

const MOST_TRIED = 20_000;

/**
 * Finds a node for every guest, the largest first, each where most memory stays free; where that leaves one without a
 * place, other arrangements are tried.
 *
 * @param judge is told where the guests before it were put
 * @returns undefined where no arrangement was found
 */
export function pack(
  items: readonly Item[],
  rooms: readonly Room[],
  judge: (vmid: number, node: string, placed: ReadonlyMap<number, string>) => Verdict,
): ReadonlyMap<number, string> | undefined {
  const order = items.toSorted((a, b) => b.memBytes - a.memBytes || a.vmid - b.vmid);
  const free = new Map(rooms.map(({ node, freeBytes }) => [node, freeBytes]));
  const placed = new Map<number, string>();
  let tried = 0;
  const place = (index: number): boolean => {
    const item = order[index];
    if (item === undefined) return true;
    const { vmid, memBytes, vcpus } = item;
    const choices = rooms
      .filter(({ node, cpus }) => vcpus <= cpus && memBytes <= (free.get(node) ?? 0))
      .map((room) => ({ room, verdict: judge(vmid, room.node, placed) }))
      .filter(({ verdict }) => !verdict.isRefused)
      .map(({ room: { node, totalBytes }, verdict: { doubts } }) => {
        return { node, doubts, left: ((free.get(node) ?? 0) - memBytes) / Math.max(1, totalBytes) };
      })
      .sort((a, b) => a.doubts - b.doubts || b.left - a.left || (a.node < b.node ? -1 : 1));
    for (const { node } of choices) {
      tried += 1;
      if (tried > MOST_TRIED) return false;
      free.set(node, (free.get(node) ?? 0) - memBytes);
      placed.set(vmid, node);
      if (place(index + 1)) return true;
      placed.delete(vmid);
      free.set(node, (free.get(node) ?? 0) + memBytes);
    }
    return false;
  };
  return place(0) ? placed : undefined;
}

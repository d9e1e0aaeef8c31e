import { Board, type Carrier, type Load, type Move, type Share } from './board.ts';

export interface EvenedOut {
  moves: Move[];
  before: Share[];
  after: Share[];
  /** The widest gap between two nodes, in percentage points. */
  gapBefore: number;
  gapAfter: number;
  /** No plan of fewer moves does as well: all were looked at. */
  isProven: boolean;
}

/** Arrangements that are looked at before the search falls back to one good move after another. */
const MOST_TRIED = 40_000;
/** A move that brings less, in percentage points, is not worth moving a guest. */
const WORTH_POINTS = 1;

/**
 * The fewest moves that bring the gap between the fullest and the emptiest node, in CPU and in memory, within a
 * tolerance; where none do, the fewest that come as near as can be. It is the same for the same figures.
 *
 * @param tolerance percentage points
 * @param allows whether the guests may be so; called with the node of each guest that moves
 */
export function evenOut(
  carriers: readonly Carrier[],
  loads: readonly Load[],
  tolerance: number,
  allows: (moved: ReadonlyMap<number, string>) => boolean = () => true,
): EvenedOut {
  const board = new Board(carriers, loads, allows);
  const before = board.shares();
  const gapBefore = board.gap();
  const { moves, isProven } =
    gapBefore <= tolerance ? { moves: [], isProven: true } : search(board, tolerance);
  board.set(moves);
  const ordered = board.inOrder(moves);
  return { moves: ordered, before, after: board.shares(), gapBefore, gapAfter: board.gap(), isProven };
}

function search(board: Board, tolerance: number): { moves: Move[]; isProven: boolean } {
  const budget = { left: MOST_TRIED };
  let best: Found = { moves: [], gap: board.gap(), moved: 0 };
  for (let count = 1; count <= board.movable.length; count += 1) {
    const found = bestOf(board, count, budget);
    if (found !== undefined && (found.gap <= tolerance || best.gap - found.gap >= WORTH_POINTS)) best = found;
    // Of the arrangements of so many moves not all may have been seen, but no fewer moves do.
    if (best.gap <= tolerance) return { moves: best.moves, isProven: true };
    if (budget.left <= 0) break;
  }
  if (budget.left > 0) return { moves: best.moves, isProven: true };
  const stepwise = oneByOne(board, tolerance);
  return { moves: isBetter(stepwise, best, tolerance) ? stepwise.moves : best.moves, isProven: false };
}

interface Found {
  moves: Move[];
  gap: number;
  /** Memory that has to be copied, in bytes. */
  moved: number;
}

function isBetter(one: Found, other: Found, tolerance: number): boolean {
  const [oneDoes, otherDoes] = [one.gap <= tolerance, other.gap <= tolerance];
  if (oneDoes !== otherDoes) return oneDoes;
  return oneDoes ? one.moves.length < other.moves.length : other.gap - one.gap >= WORTH_POINTS;
}

/** The best arrangement of exactly so many moves: the narrowest gap, then the least memory copied. */
function bestOf(board: Board, count: number, budget: { left: number }): Found | undefined {
  let best: Found | undefined;
  const chosen: Move[] = [];
  const place = (from: number, moved: number): void => {
    if (chosen.length === count) {
      budget.left -= 1;
      const gap = board.gap();
      const isNarrower = best === undefined || gap < best.gap - 1e-9;
      const isLighter = best !== undefined && Math.abs(gap - best.gap) <= 1e-9 && moved < best.moved;
      if ((isNarrower || isLighter) && board.isAllowed(chosen)) best = { moves: [...chosen], gap, moved };
      return;
    }
    for (let index = from; index <= board.movable.length - (count - chosen.length); index += 1) {
      const load = board.movable[index];
      for (const to of load?.targets ?? []) {
        if (load === undefined || budget.left <= 0) return;
        const move = { vmid: load.vmid, from: load.node, to };
        board.shift(load, load.node, to);
        chosen.push(move);
        place(index + 1, moved + load.memBytes);
        chosen.pop();
        board.shift(load, to, load.node);
      }
    }
  };
  place(0, 0);
  return best;
}

/** The move that narrows most, again and again; then those are taken back that turned out to be needless. */
function oneByOne(board: Board, tolerance: number): Found {
  const moves: Move[] = [];
  for (;;) {
    board.set(moves);
    const [gap, unevenness] = [board.gap(), board.unevenness()];
    if (gap <= tolerance) break;
    let best: { move: Move; unevenness: number } | undefined;
    for (const load of board.movable) {
      if (moves.some(({ vmid }) => vmid === load.vmid)) continue;
      for (const to of load.targets) {
        const move = { vmid: load.vmid, from: load.node, to };
        board.shift(load, load.node, to);
        const after = board.unevenness();
        if (after < (best?.unevenness ?? unevenness) - 1e-9 && board.isAllowed([...moves, move])) {
          best = { move, unevenness: after };
        }
        board.shift(load, to, load.node);
      }
    }
    if (best === undefined) break;
    moves.push(best.move);
  }
  for (const move of [...moves]) {
    const without = moves.filter((other) => other !== move);
    board.set(moves);
    const gap = board.gap();
    board.set(without);
    if (board.gap() <= Math.max(tolerance, gap) && board.isAllowed(without))
      moves.splice(moves.indexOf(move), 1);
  }
  board.set(moves);
  const found = { moves, gap: board.gap(), moved: 0 };
  board.set([]);
  return found;
}

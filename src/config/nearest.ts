/** Names are compared by their first characters alone: a caller may send one of any length, the cost is quadratic. */
const COMPARED = 100;

/**
 * Finds the known name that a mistyped one was most likely meant to be.
 *
 * @returns ` Did you mean "x"?`, made to be put behind a full stop; an empty text where nothing is near.
 */
export function didYouMean(wanted: string, known: Iterable<string>): string {
  const [name] = nearestNames(wanted, known, 1);
  return name === undefined ? '' : ` Did you mean "${name}"?`;
}

/**
 * The names most like `name`, nearest first, at most `limit`: within about a third of edits, or one that
 * contains the other.
 */
export function nearestNames(name: string, known: Iterable<string>, limit = 3): string[] {
  const wanted = name.slice(0, COMPARED).toLowerCase();
  const scored: { name: string; score: number }[] = [];
  for (const candidate of known) {
    const other = candidate.slice(0, COMPARED).toLowerCase();
    const distance = editDistance(wanted, other);
    // Within two letters anything is contained.
    const short = Math.min(wanted.length, other.length) <= 2;
    const contained = !short && (other.includes(wanted) || wanted.includes(other));
    const near = distance <= Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3));
    if (near || contained) scored.push({ name: candidate, score: near ? distance : distance + 10 });
  }
  scored.sort((a, b) => a.score - b.score || a.name.localeCompare(b.name));
  return scored.slice(0, limit).map((entry) => entry.name);
}

/**
 * How many single-character edits (insert, delete, replace, swap of neighbours) lead from `a` to `b`.
 * Case counts as no difference: PVE's names differ in more than case.
 */
export function editDistance(a: string, b: string): number {
  const from = a.toLowerCase();
  const to = b.toLowerCase();
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const cost = from[i - 1] === to[j - 1] ? 0 : 1;
      const edits = [(row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + cost];
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        edits.push((beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(Math.min(...edits));
    }
    beforeLast = last;
    last = row;
  }
  return last[to.length] ?? 0;
}

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

/**
 * The names most like `name`, nearest first, at most `limit`: within about a third of edits, or one that
 * contains the other.
 */
export function nearestNames(name: string, known: Iterable<string>, limit = 3): string[] {
  // A caller may send a "name" of any length; the distance is quadratic and no PVE name is this long.
  const wanted = name.slice(0, 64).toLowerCase();
  const scored: { name: string; score: number }[] = [];
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    const distance = editDistance(wanted, other);
    const contained = wanted.length > 2 && (other.includes(wanted) || wanted.includes(other));
    const near = distance <= Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3));
    if (near || contained) scored.push({ name: candidate, score: near ? distance : distance + 10 });
  }
  scored.sort((a, b) => a.score - b.score || a.name.localeCompare(b.name));
  return scored.slice(0, limit).map((entry) => entry.name);
}

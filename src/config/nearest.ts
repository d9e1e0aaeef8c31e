/**
 * Finds the known name that a mistyped one was most likely meant to be.
 *
 * @returns ` Did you mean "x"?`, made to be put behind a full stop; an empty text where nothing is near.
 */
export function didYouMean(wanted: string, known: Iterable<string>): string {
  const name = nearest(wanted, known);
  return name === undefined ? '' : ` Did you mean "${name}"?`;
}

/** The nearest name within a third of the length, at least two edits. */
function nearest(wanted: string, known: Iterable<string>): string | undefined {
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase());
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { name, distance };
  }
  return best?.name;
}

/** Levenshtein distance, one row at a time. Inputs are cut at 64 characters, so a hostile name costs nothing. */
function editDistance(left: string, right: string): number {
  const from = left.slice(0, 64);
  const to = right.slice(0, 64);
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

const STAR = '*'.charCodeAt(0);
const ANY = '?'.charCodeAt(0);

/**
 * Makes the test of a pattern, where `*` stands for any run of characters and `?` for one; case does not matter.
 * Written as a walk with one point of return, because a regular expression made from `*a*a*a*` takes exponential
 * time on a name that an attacker chose. Make it once for many names.
 */
export function wildcard(pattern: string): (text: string) => boolean {
  const wanted = pattern.toLowerCase();
  return (text) => matchesGlob(wanted, text.toLowerCase());
}

/** As `wildcard` and its test in one, but case matters. */
export function matchesGlob(wanted: string, given: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let position = 0; position < given.length; ) {
    const code = at < wanted.length ? wanted.charCodeAt(at) : -1;
    if (code === STAR) {
      star = at++;
      resume = position;
    } else if (code === ANY || code === given.charCodeAt(position)) {
      at++;
      position++;
    } else if (star >= 0) {
      at = star + 1;
      position = ++resume;
    } else {
      return false;
    }
  }
  while (wanted.charCodeAt(at) === STAR) at++;
  return at === wanted.length;
}

/** As the test that `wildcard` makes, for one name. */
export function matchesWildcard(pattern: string, text: string): boolean {
  return wildcard(pattern)(text);
}

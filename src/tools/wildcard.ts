/**
 * Whether `text` fits `pattern`, where `*` stands for any run of characters and `?` for one; case does not matter.
 * Written as a walk with one point of return, because a regular expression made from `*a*a*a*` takes exponential
 * time on a name that an attacker chose.
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  const wanted = pattern.toLowerCase();
  const given = text.toLowerCase();
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let position = 0; position < given.length; ) {
    if (wanted[at] === '*') {
      star = at++;
      resume = position;
    } else if (wanted[at] === '?' || wanted[at] === given[position]) {
      at++;
      position++;
    } else if (star >= 0) {
      at = star + 1;
      position = ++resume;
    } else {
      return false;
    }
  }
  while (wanted[at] === '*') at++;
  return at === wanted.length;
}

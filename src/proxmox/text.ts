const MAX_LENGTH = 500;

/** A text of the other side made fit for a message: its first line, no control characters, at most 500 characters. */
export function cleanText(text: string): string {
  const line = text.trim().split(/[\r\n]/)[0] ?? '';
  const bare = line.replace(/[\p{Cc}\u2028\u2029]/gu, ' ').trim();
  return bare.length <= MAX_LENGTH ? bare : `${bare.slice(0, MAX_LENGTH).toWellFormed()}…`;
}

/** Takes secrets out of a text, also as they look in a URL or a cookie. */
export function redact(text: string, secrets: readonly string[]): string {
  let result = text;
  for (const secret of secrets) {
    if (secret === '') continue;
    result = result.replaceAll(secret, '[redacted]').replaceAll(encodeURIComponent(secret), '[redacted]');
  }
  return result;
}

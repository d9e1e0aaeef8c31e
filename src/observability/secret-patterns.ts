export const REDACTED = '[redacted]';

/** Names whose value is a secret wherever they stand with one. */
const NAMES =
  '(?:password|passwd|passphrase|secret|client[-_]key|api[-_]?(?:token|key)|encryption[-_]key|(?:access|refresh)_token|private[-_]key|hmac[-_]key|keyring)';
const TOKEN = '[^\\s"\'\\\\,;&<>]';

/**
 * What a secret looks like that nobody registered. Each has one group: what of the match stays. Every repetition is
 * bounded, or begins where no other could have begun before it, so that no text takes more than linear time.
 */
const PATTERNS: readonly string[] = [
  // Credentials of Proxmox products: token headers, login cookies, tickets, CSRF tokens.
  `((?:PVE|PBS|PMG|PDM)APIToken(?:=|:|%3D))${TOKEN}+`,
  `((?:PVE|PBS|PMG|PDM)AuthCookie(?:=|:|%3D))${TOKEN}+`,
  '()(?<![a-z0-9])(?:PVE|PBS|PMG|PDM)[A-Z]{0,10}(?::|%3A)(?:[^\\s"\'\\\\]{0,160}?(?::|%3A))?[0-9A-F]{8}(?:::|%3A%3A)[A-Za-z0-9+/=%]{8,}',
  '()(?<![a-z0-9])[0-9A-F]{8}(?::|%3A)(?:[A-Za-z0-9+/]|%2[BF]){43}(?:=|%3D){0,2}(?![A-Za-z0-9+/=])',
  `(CSRFPreventionToken["']?\\s{0,3}[:=]\\s{0,3}["']?)${TOKEN}+`,
  // Ours: API keys; what is signed by us or an issuer.
  '((?<![a-z0-9])pmk_[0-9a-f]{6,32}_)[A-Za-z0-9_-]{20,}',
  '()(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}\\.[A-Za-z0-9_-]{6,}\\.[A-Za-z0-9_-]*',
  // HTTP.
  `((?<!www-)authorization["']?\\s{0,3}[:=]\\s{0,3}["']?(?:[a-z]{1,16}\\s{1,3}(?=[^\\s=]))?)(?!(?:Bearer|Basic)\\b)${TOKEN}+`,
  '((?<![a-z])(?:Bearer|Basic)\\s{1,3})(?=[^\\s]{0,64}\\d)[A-Za-z0-9._~+/-]{16,}={0,2}(?![A-Za-z0-9="])',
  '(:\\/\\/[^\\s\\/:@"\']{0,128}:)[^\\s\\/@"\']{1,256}(?=@)',
  '([?&](?:token|key|sig|signature|auth|access_key|x-(?:amz|goog)-(?:signature|security-token))=)[^&\\s"\'#]+',
  // Settings: in a property string or a URL, in JSON, on a command line, in a guest's configuration.
  `(${NAMES}(?:=|%3D))${TOKEN}+`,
  `(\\\\{0,3}"[a-z_-]{0,32}(?:${NAMES}|ticket|token)\\\\{0,3}"\\s{0,3}:\\s{0,3}\\\\{0,3}")(?:[^"\\\\]|\\\\[^"\\\\])+`,
  `(--?[a-z-]{0,32}${NAMES}\\s{1,3})${TOKEN}+`,
  `((?:cipassword|encryption-key)\\s{0,3}:\\s{0,3})${TOKEN}+`,
  `(set_password\\s{1,3}[a-z]{1,16}\\s{1,3})${TOKEN}+`,
  '("kdf"\\s{0,3}:.{0,400}?"data"\\s{0,3}:\\s{0,3}")[^"]+',
  '()\\$(?:1|2[abxy]|5|6|7|y|gy)\\$[./A-Za-z0-9$=,]{8,}',
];

const COMBINED = new RegExp(PATTERNS.join('|'), 'gi');
const PEM_BEGIN = /-----BEGIN[A-Z0-9 +%]{0,40}PRIVATE(?: |\+|%20)KEY/g;

/** Takes out what looks like a secret, and leaves what says whose it was. */
export function withoutLookalikes(text: string): string {
  return withoutPrivateKeys(text).replace(COMBINED, (...match: unknown[]) => {
    const kept = match.slice(1, PATTERNS.length + 1).find((group) => typeof group === 'string');
    return `${String(kept ?? '')}${REDACTED}`;
  });
}

/** Private keys in PEM, up to their end, or to the end of the text where they have none. */
function withoutPrivateKeys(text: string): string {
  let result = '';
  let done = 0;
  for (const { index } of text.matchAll(PEM_BEGIN)) {
    if (index < done) continue;
    const closing = text.indexOf('-----END', index);
    const end = closing < 0 ? -1 : text.indexOf('-----', closing + 8);
    result += text.slice(done, index) + REDACTED;
    done = end < 0 ? text.length : end + 5;
  }
  return done === 0 ? text : result + text.slice(done);
}

const OWN_KEY = /(?<![A-Za-z0-9])(pmk_[0-9a-f]{6,32}_)[A-Za-z0-9_-]{20,}/g;

/** Takes out API keys of this service alone: what else looks like a secret may be what was asked for. */
export function withoutOwnKeys(text: string): string {
  return text.includes('pmk_') ? text.replace(OWN_KEY, `$1${REDACTED}`) : text;
}

/** Whether a member of this name holds a secret, whatever it looks like. */
export function isSecretName(name: string): boolean {
  return SECRET_MEMBER.test(name);
}

const SECRET_MEMBER =
  /^(?:(?:proxy-)?authorization|(?:set-)?cookie|headers|token|(?:vnc)?ticket|csrf.*|otp|totp|tfa-challenge)$|password|passwd|passphrase|secret(?!s?_?count)|client[-_]key|api[-_]?(?:token|key)|encryption[-_]key|private[-_]key|hmac[-_]key|keyring|target-endpoint|(?:access|refresh)_token/i;

/** A first look at a line of JSON: where this finds nothing, neither a pattern nor a name would. */
export const SUSPICIOUS =
  /APIToken|AuthCookie|CSRF|authorization|bearer|basic|cookie|headers|passw|passphrase|secret|token|ticket|otp|tfa|api.?key|client.key|private|encryption|hmac|keyring|target-endpoint|eyJ|pmk_|kdf|:\/\/|\$[0-9a-z]{1,2}\$|(?:PVE|PBS|PMG|PDM)[A-Z]{0,10}(?::|%3A)|[0-9A-F]{8}(?::|%3A)(?:[A-Za-z0-9+/]|%2[BF]){43}|[?&](?:key|sig|auth|access)/i;

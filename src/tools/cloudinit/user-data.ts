/** The end of a name whose value is a secret; `list` is where chpasswd has its users. */
const SECRET_NAME =
  /(?:pass|passwd|password|passphrase|secret|token|private|private[_-]?key|api[_-]?key|^list)$/i;
/** In one line, as in JSON and in YAML's short form. Every part is bounded: a text may be one long word. */
const IN_LINE =
  /(["']?[\w-]{0,40}(?:pass|passwd|password|passphrase|secret|token|key)["']?\s{0,4}:\s{0,4})("[^"]*"|'[^']*'|[^\s,}"']+)/gi;
const FLAG = /^(?:true|false)$/i;
const HIDDEN = '[redacted]';

/**
 * Takes passwords and keys out of what cloud-init is given (YAML, or JSON for Windows): the value behind such a name,
 * the lines that belong to it, and private keys wherever they stand.
 */
export function withoutPasswords(text: string): string {
  const lines: string[] = [];
  // Lines that are indented deeper than this belong to a secret.
  let depth: number | undefined;
  let isKey = false;
  for (const line of text.split('\n')) {
    if (isKey) {
      isKey = !line.includes('-----END');
      continue;
    }
    const indent = line.length - line.trimStart().length;
    if (depth !== undefined && (line.trim() === '' || indent > depth)) continue;
    depth = undefined;
    if (/-----BEGIN [A-Z ]{0,40}PRIVATE KEY/.test(line)) {
      isKey = !line.includes('-----END');
      lines.push(HIDDEN);
    } else if (isSecret(line)) {
      lines.push(`${line.slice(0, line.indexOf(':') + 1)} ${HIDDEN}`);
      depth = indent;
    } else lines.push(line.replace(IN_LINE, hide));
  }
  return lines.join('\n');
}

/** Whether a line gives a secret a value, or begins one. */
function isSecret(line: string): boolean {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(0, colon)).trim().replace(/^-\s/, '').replaceAll(/["']/g, '').trim();
  if (!/^[\w-]{1,100}$/.test(name) || !SECRET_NAME.test(name)) return false;
  return !FLAG.test(line.slice(colon + 1).trim());
}

function hide(all: string, head: string, value: string): string {
  return FLAG.test(value) ? all : `${head}${HIDDEN}`;
}

const SECRET_KEY =
  /^(\s*(?:-\s+)?["']?(?:[\w-]*(?:pass|passwd|password|passphrase|secret|token|private[_-]?key|api[_-]?key)|list)["']?\s*:)(.*)$/i;
const IN_LINE =
  /(["']?[\w-]*(?:pass|passwd|password|passphrase|secret|token)["']?\s*:\s*)("[^"]*"|'[^']*'|[^\s,}"']+)/gi;
const HIDDEN = '[redacted]';

/**
 * Takes passwords and keys out of what cloud-init is given (YAML, or JSON for Windows): the value behind such a name,
 * and the lines that belong to it. `list` is where chpasswd has its users.
 */
export function withoutPasswords(text: string): string {
  const lines: string[] = [];
  // Lines that are indented deeper than this belong to a secret.
  let depth: number | undefined;
  for (const line of text.split('\n')) {
    const indent = line.search(/\S/);
    if (depth !== undefined && (indent < 0 || indent > depth)) continue;
    depth = undefined;
    const [, head, value = ''] = SECRET_KEY.exec(line) ?? [];
    if (head === undefined) {
      lines.push(withoutBlock(line.replace(IN_LINE, hide)));
    } else if (
      /^\s*(?:true|false)?\s*$/i.test(value) &&
      !/list["']?\s*:$/i.test(head) &&
      value.trim() !== ''
    ) {
      lines.push(line);
    } else {
      lines.push(`${head} ${HIDDEN}`);
      depth = indent;
    }
  }
  return lines.join('\n');
}

function hide(all: string, head: string, value: string): string {
  return /^(?:true|false)$/i.test(value) ? all : `${head}${HIDDEN}`;
}

function withoutBlock(line: string): string {
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(line) ? HIDDEN : line;
}

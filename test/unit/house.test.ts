import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

interface Rule {
  what: string;
  pattern: RegExp;
  /** Where it is at home. */
  home: RegExp;
  /** Must be found, or the rule would catch nothing. */
  sample: string;
}

/** What dependency-cruiser can't see: use of globals. */
const RULES: Rule[] = [
  {
    what: 'process.env',
    pattern: /\bprocess\s*(?:\.|\?\.)\s*env\b|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/,
    home: /^(?:config|cli)\//,
    sample: 'const { env } = process;',
  },
  {
    what: 'process.exit',
    pattern: /\bprocess\s*\.\s*(?:exit|exitCode|abort|kill)\b/,
    home: /^(?:config|cli)\//,
    sample: 'process.exit(1)',
  },
  {
    what: 'process under another name',
    pattern: /from 'node:process'|from 'process'/,
    home: /^(?:config|cli)\//,
    sample: `import { env } from 'node:process';`,
  },
  { what: 'console', pattern: /\bconsole\s*\./, home: /^$/, sample: 'console.log(1)' },
];

const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name));

describe('the house', () => {
  it('has sources', () => {
    expect(files.length).toBeGreaterThan(50);
  });

  it.each(RULES)('keeps $what where it belongs', ({ pattern, home, sample }) => {
    expect(sample).toMatch(pattern);
    const found = files
      .filter((file) => !home.test(relative(SRC, file)))
      .flatMap((file) =>
        withoutComments(readFileSync(file, 'utf8'))
          .split('\n')
          .flatMap((line, index) =>
            pattern.test(line) ? [`${relative(SRC, file)}:${index + 1}: ${line.trim()}`] : [],
          ),
      );
    expect(found).toEqual([]);
  });
});

/** Blanks comments out and keeps the line numbers. */
function withoutComments(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|\s)\/\/.*$/gm, '$1');
}

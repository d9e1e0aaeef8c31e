import { excerpt } from './excerpt.ts';
import type { PlannedCall } from './plan.ts';

/** Of a list of values, in characters. */
const LONGEST_LIST = 8000;
/** From so many lines on a text stands below its call, line by line. */
const MOST_LINES_INLINE = 2;
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * A call as a person reads it before deciding: one line, and below it, line by line behind bars, the texts that have
 * many lines, such as a script or the contents of a file. No value can be taken for another one, for a line of the
 * plan or for nothing: characters that are not shown are written out.
 */
export function callText({ method, path, parameters }: PlannedCall): string[] {
  const below: string[] = [];
  const values = Object.entries(parameters).map(
    ([name, value]) => `${valueText(name)}=${valueText(value, below)}`,
  );
  return [`  ${[method, valueText(path), ...values].join(' ')}`, ...below.flatMap(block)];
}

/** @param below takes the texts that have many lines; a placeholder without quotes, which no value looks like, names them */
function valueText(value: unknown, below?: string[]): string {
  if (Array.isArray(value)) return listText(value, below);
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  const short = excerpt(text);
  if (below !== undefined && short.split('\n').length > MOST_LINES_INLINE) {
    below.push(short);
    return `<text ${below.length}>`;
  }
  return /^[\w.,:;/=@+!~-]+$/.test(short) ? short : inQuotes(short);
}

function listText(list: readonly unknown[], below: string[] | undefined): string {
  const items = list.map((item) => {
    const shown = valueText(item, below);
    return typeof item === 'string' && shown === item ? `"${item}"` : shown;
  });
  const text = `[${items.join(',')}]`;
  if (text.length <= LONGEST_LIST) return text;
  const left = text.length - LONGEST_LIST;
  const half = LONGEST_LIST / 2;
  return `${text.slice(0, half)} [… ${left} CHARACTERS NOT SHOWN …] ${text.slice(-half)}`.toWellFormed();
}

function inQuotes(text: string): string {
  const shown = text
    .toWellFormed()
    .replace(/[\\"]/g, '\\$&')
    .replace(HIDDEN, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
    .replaceAll('\\u{a}', '\\n')
    .replaceAll('\\u{9}', '\\t')
    .replaceAll('\\u{d}', '\\r');
  return `"${shown}"`;
}

function block(text: string, index: number): string[] {
  const lines = text.toWellFormed().split('\n');
  return [
    `    text ${index + 1}, ${lines.length} lines:`,
    ...lines.map((line) => `    | ${writtenOut(line)}`),
  ];
}

/** Without escapes, which would make a script hard to read: what hides is named, and a tab is an arrow. */
function writtenOut(line: string): string {
  return line
    .replaceAll('\t', '⇥ ')
    .replace(HIDDEN, (character) => `‹U+${character.codePointAt(0)?.toString(16).toUpperCase()}›`);
}

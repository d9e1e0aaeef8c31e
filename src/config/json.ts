import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';

export type JsonProblem = { line: number; column: number; path: readonly string[]; message: string };

/** What the parser's codes mean to who wrote the file. */
const WORDS: Readonly<Record<string, string>> = {
  InvalidSymbol: 'a text needs double quotes, and true, false and null are the only words',
  InvalidNumberFormat: 'this is no number',
  PropertyNameExpected: 'a key in double quotes is missing, or a comma is one too many',
  ValueExpected: 'a value is missing, or a comma is one too many',
  ColonExpected: 'a : is missing',
  CommaExpected: 'a , is missing',
  CloseBraceExpected: 'a } is missing',
  CloseBracketExpected: 'a ] is missing',
  EndOfFileExpected: 'there is more behind the end',
  InvalidCommentToken: 'comments are not allowed',
  UnexpectedEndOfComment: 'comments are not allowed',
  UnexpectedEndOfString: 'the " at the end of a text is missing',
  UnexpectedEndOfNumber: 'this is no number',
  InvalidUnicode: 'this is no \\u and four digits',
  InvalidEscapeCharacter: 'a backslash in a text is written \\\\',
  InvalidCharacter: 'a text holds a line break or another control character',
};

/**
 * Parses JSON and finds what `JSON.parse` hides: a key that stands twice in one object silently takes its last value,
 * and in a file of clusters that is a cluster lost. So is one called `__proto__`, which zod's records leave out.
 * Comments and trailing commas are refused as JSON does.
 *
 * @returns the value, or the problems with their place; messages quote key names alone.
 */
export function parseStrictJson(text: string): { value: unknown } | { problems: JsonProblem[] } {
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false });
  const first = errors[0];
  if (tree === undefined || first !== undefined) {
    const offset = first?.offset ?? 0;
    const kind = first === undefined ? 'ValueExpected' : printParseErrorCode(first.error);
    const message = `is not valid JSON: ${WORDS[kind] ?? 'what stands here does not belong here'}`;
    return { problems: [{ ...place(text, offset), path: [], message }] };
  }
  const lost = [...lostKeys(tree, [])].map(({ offset, ...problem }) => ({
    ...place(text, offset),
    ...problem,
  }));
  if (lost.length > 0) return { problems: lost };
  return { value: JSON.parse(text) };
}

function* lostKeys(
  node: Node,
  path: readonly string[],
): Generator<{ offset: number; path: string[]; message: string }> {
  if (node.type !== 'object') {
    for (const item of node.children ?? []) yield* lostKeys(item, path);
    return;
  }
  const seen = new Set<string>();
  for (const property of node.children ?? []) {
    const [keyNode, valueNode] = property.children ?? [];
    if (keyNode === undefined) continue;
    const key = String(keyNode.value);
    const found = { offset: keyNode.offset, path: [...path, key] };
    if (seen.has(key)) yield { ...found, message: 'stands twice; remove one of the two' };
    if (key === '__proto__') yield { ...found, message: 'is a name that can’t be used' };
    seen.add(key);
    if (valueNode !== undefined) yield* lostKeys(valueNode, [...path, key]);
  }
}

/**
 * Where a value of a JSON text stands, for messages. A key that is not there leads to the object that lacks it.
 *
 * @param path keys and indices from the top
 * @returns the line, the first being 1; undefined where the text is no JSON
 */
export function lineOfJson(text: string, path: readonly (string | number)[]): number | undefined {
  const tree = parseTree(text);
  if (tree === undefined) return undefined;
  for (let length = path.length; length >= 0; length--) {
    const node = findNodeAtLocation(tree, path.slice(0, length));
    if (node === undefined) continue;
    return place(text, node.parent?.type === 'property' ? node.parent.offset : node.offset).line;
  }
  return undefined;
}

function place(text: string, offset: number): { line: number; column: number } {
  const lines = text.slice(0, offset).split('\n');
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

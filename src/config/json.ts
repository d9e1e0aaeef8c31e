import { type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';

export type JsonProblem = { line: number; column: number; path: readonly string[]; message: string };

/**
 * Parses JSON and finds what `JSON.parse` hides: a key that stands twice in one object silently takes its last value,
 * and in a file of clusters that is a cluster lost. Comments and trailing commas are refused as JSON does.
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
    return { problems: [{ ...place(text, offset), path: [], message: `is not valid JSON (${kind})` }] };
  }
  const duplicates = [...duplicateKeys(tree, [])].map(({ offset, path }) => ({
    ...place(text, offset),
    path,
    message: 'stands twice; remove one of the two',
  }));
  if (duplicates.length > 0) return { problems: duplicates };
  return { value: JSON.parse(text) };
}

function* duplicateKeys(node: Node, path: readonly string[]): Generator<{ offset: number; path: string[] }> {
  if (node.type !== 'object') {
    for (const item of node.children ?? []) yield* duplicateKeys(item, path);
    return;
  }
  const seen = new Set<string>();
  for (const property of node.children ?? []) {
    const [keyNode, valueNode] = property.children ?? [];
    if (keyNode === undefined) continue;
    const key = String(keyNode.value);
    if (seen.has(key)) yield { offset: keyNode.offset, path: [...path, key] };
    seen.add(key);
    if (valueNode !== undefined) yield* duplicateKeys(valueNode, [...path, key]);
  }
}

function place(text: string, offset: number): { line: number; column: number } {
  const lines = text.slice(0, offset).split('\n');
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

import ts from 'typescript';

/** A declaration's comment: its text and its tags. */
export interface Comment {
  readonly text: string;
  readonly tags: ReadonlyMap<string, string>;
}

const TAG = /^@(allowtoken|format|maxLength|maximum|minLength|minimum|pattern|permissions|type) (.*)$/;

/**
 * Reads the comment before a node. TypeScript's own JSDoc reader would take the braces and the @ of PVE's
 * texts (`root@pam`, JSON) for markup, so only lines that begin with one of the known tags are tags.
 */
export function readComment(node: ts.Node, source: ts.SourceFile): Comment {
  const range = ts.getLeadingCommentRanges(source.text, node.getFullStart())?.at(-1);
  const body = range ? source.text.slice(range.pos + '/**'.length, range.end - '*/'.length) : '';
  const lines: string[] = [];
  const tags = new Map<string, string>();
  for (const line of body.split('\n')) {
    const content = line.replace(/^\s*\* ?/, '').trimEnd();
    const tag = TAG.exec(content);
    if (tag) tags.set(tag[1] ?? '', tag[2] ?? '');
    else lines.push(content.replaceAll('\\{', '{').replaceAll('\\}', '}'));
  }
  return { text: lines.join('\n').trim(), tags };
}

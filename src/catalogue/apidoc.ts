/** A real apidoc.js is about 4 MB. */
export const LARGEST_APIDOC = 16 * 1024 * 1024;

/** The official schemas nest about 20 deep. */
const DEEPEST_NESTING = 100;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The text is not an apidoc.js, or not one that is safe to read. */
export class ApidocError extends Error {
  override readonly name = 'ApidocError';
}

/**
 * Takes the API tree out of the text of a host's `/pve-docs/api-viewer/apidoc.js`, or of a file that holds
 * the tree alone as JSON.
 *
 * The script is `const apiSchema = [ … ];` and then a megabyte of user interface. The brackets are matched
 * and what is between them must be plain JSON: nothing is ever evaluated.
 *
 * @param limit the longest text read, in UTF-16 code units.
 * @throws ApidocError saying what is wrong with the text.
 */
export function extractSchema(text: string, limit = LARGEST_APIDOC): unknown[] {
  if (text.length > limit) {
    throw new ApidocError(`the API schema is ${text.length} characters long, more than the ${limit} allowed`);
  }
  const start = findStart(text);
  const end = findEnd(text, start);
  const parsed = parse(text.slice(start, end));
  if (!Array.isArray(parsed)) throw new ApidocError('the API schema is not a list');
  return parsed;
}

function findStart(text: string): number {
  const first = text.search(/\S/);
  if (first >= 0 && text[first] === '[') return first;
  const declaration = /(?:const|let|var)\s+apiSchema\s*=\s*(?=\[)/.exec(text);
  if (declaration === null) throw new ApidocError('no "apiSchema = [" in the text');
  return declaration.index + declaration[0].length;
}

/** The index after the bracket that closes the one at `start`; brackets within strings don't count. */
function findEnd(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      index = endOfString(text, index);
    } else if (code === 0x5b || code === 0x7b) {
      depth++;
      if (depth > DEEPEST_NESTING) {
        throw new ApidocError(`the API schema nests more than ${DEEPEST_NESTING} deep`);
      }
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
      if (depth === 0) return index + 1;
    }
  }
  throw new ApidocError('the API schema is cut off: its last bracket is missing');
}

/** The index of the quote that closes the string whose first quote is at `start`; the text's end where none does. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

/** Whether an odd number of backslashes stands before; the quote that opens the string ends the counting. */
function isEscaped(text: string, index: number): boolean {
  let first = index;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (index - first) % 2 === 1;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new ApidocError('the API schema is not plain JSON', { cause: error });
  }
}

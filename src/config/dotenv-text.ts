import { isDeepStrictEqual, parseEnv } from 'node:util';

/** What every reader of `.env` files takes without quotes. */
const BARE = /^[A-Za-z0-9_.,:/@!+=[\]-]*$/;

/**
 * One line of a `.env` file, quoted where it has to be; several lines where the value has line breaks.
 *
 * @throws Error for a value that no quoting can carry
 */
export function dotEnvLine(name: string, value: string): string {
  const quoted = ["'", '"', '`'].map((quote) => `${quote}${value}${quote}`);
  const candidates = BARE.test(value) ? [value, ...quoted] : quoted;
  const right = candidates.find((text) =>
    isDeepStrictEqual({ ...parseEnv(`${name}=${text}\nNEXT=1\n`) }, { [name]: value, NEXT: '1' }),
  );
  if (right === undefined) throw new Error('can’t be written to a .env file: it holds every kind of quote');
  return `${name}=${right}`;
}

/** A piece of a `.env` file: an assignment with all its lines, or a line of another kind. */
interface Piece {
  name?: string;
  text: string;
}

/**
 * Takes assignments out of a `.env` file and puts a block in the place of the first of them, else at the end.
 * Everything else stays as it is, comments included.
 *
 * @throws Error where another assignment would not be read as before
 */
export function withBlock(text: string, isReplaced: (name: string) => boolean, block: string): string {
  const pieces = splitDotEnv(text);
  const isGone = ({ name }: Piece) => name !== undefined && isReplaced(name);
  const at = pieces.findIndex(isGone);
  const kept = (list: readonly Piece[]) => list.filter((piece) => !isGone(piece)).map((piece) => piece.text);
  const [before, after] = at === -1 ? [pieces, []] : [pieces.slice(0, at), pieces.slice(at)];
  const head = kept(before).join('');
  const gap = head === '' || head.endsWith('\n') ? '' : '\n';
  const blank = at === -1 && head !== '' ? '\n' : '';
  const result = `${head}${gap}${blank}${block}${kept(after).join('')}`;
  if (!isDeepStrictEqual(others(result, isReplaced), others(text, isReplaced))) {
    throw new Error('has lines that can’t be told apart from those of clusters; write to another file');
  }
  return result;
}

function others(text: string, isReplaced: (name: string) => boolean): object {
  return Object.fromEntries(Object.entries(parseEnv(text)).filter(([name]) => !isReplaced(name)));
}

function splitDotEnv(text: string): Piece[] {
  const lines = text.split(/(?<=\n)/);
  const pieces: Piece[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    const [, name, value = ''] = /^\s*(?:export\s+)?([^#=\s]+)\s*=\s*(.*)/.exec(line) ?? [];
    if (name === undefined) {
      pieces.push({ text: line });
      continue;
    }
    const more = continuation(value, lines.slice(index + 1));
    pieces.push({ name, text: [line, ...more].join('') });
    index += more.length;
  }
  return pieces;
}

/** The lines that a quoted value goes on over. */
function continuation(value: string, following: readonly string[]): readonly string[] {
  const quote = /^['"`]/.exec(value)?.[0];
  if (quote === undefined || value.indexOf(quote, 1) !== -1) return [];
  const end = following.findIndex((line) => line.includes(quote));
  return following.slice(0, end + 1);
}

import { setImmediate as nextTurn } from 'node:timers/promises';

/** A text of this length is read in some five milliseconds. */
const PART_CHARACTERS = 256 * 1024;
const START = /^\s*\{\s*"data"\s*:\s*\[/;

/** Whether a body takes so long to read that it is read in parts. */
export function isLarge(body: string): boolean {
  return body.length > PART_CHARACTERS;
}

/**
 * Reads a large list of PVE's, `{"data":[{…},{…}]}`, part by part, and lets other work in between: `JSON.parse` of ten
 * thousand guests would stop everything else.
 *
 * @returns undefined where the text is small, or no such list: read it in one go
 */
export async function parseLargeList(body: string): Promise<{ data: unknown[]; rest: object } | undefined> {
  if (!isLarge(body)) return undefined;
  const start = START.exec(body)?.[0].length;
  if (start === undefined) return undefined;
  const data: unknown[] = [];
  // The answer was put together in this turn.
  await nextTurn();
  for (let at = start; ; ) {
    const end = borderAfter(body, at + PART_CHARACTERS);
    if (end === undefined) return finish(body, at, data);
    const rows = rowsIn(body.slice(at, end));
    if (rows === undefined) return undefined;
    for (const row of rows) data.push(row);
    at = end + 1;
    await nextTurn();
  }
}

/**
 * The place of a comma between two rows. What looks like one within a text is none: a quotation mark stands there as
 * `\"`, so `},{"` can't; a list within a row may hold one, and then the part is no JSON and all is read in one go.
 */
function borderAfter(body: string, from: number): number | undefined {
  const at = body.indexOf('},{"', from);
  return at < 0 ? undefined : at + 1;
}

function rowsIn(text: string): unknown[] | undefined {
  try {
    return JSON.parse(`[${text}]`);
  } catch {
    return undefined;
  }
}

/** The last part goes to the end of the envelope, which may have more members behind the list. */
function finish(body: string, at: number, data: unknown[]): { data: unknown[]; rest: object } | undefined {
  try {
    const { data: rows, ...rest } = JSON.parse(`{"data":[${body.slice(at)}`);
    if (!Array.isArray(rows)) return undefined;
    for (const row of rows) data.push(row);
    return { data, rest };
  } catch {
    return undefined;
  }
}

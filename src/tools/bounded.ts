import { isObject } from '../catalogue/json.ts';
import { pick } from './results.ts';

/** About 15,000 tokens: clients cut results of 25,000 (facts/mcp.md), and the answer has more in it than data. */
const MAX_CHARACTERS = 50_000;

/** Says what is missing from an answer and how to get it. */
interface Truncation {
  reason: string;
  returned: number;
  total: number;
  unit: 'rows' | 'fields' | 'characters';
  next_offset?: number;
  omitted_fields?: string[];
  how_to_get_the_rest: string;
}

export interface View {
  fields?: readonly string[] | undefined;
  offset?: number | undefined;
  limit?: number | undefined;
}

export interface Bounded {
  data: unknown;
  truncated?: Truncation;
}

/**
 * Bounds what a call answered so that a client can take it whole. Small data comes back unchanged.
 * Lists are cut by rows, objects by fields, text by characters; nothing is ever cut without saying so.
 *
 * @param view what the caller asked for: a part of the list or the text, some of the fields
 */
export function bound(data: unknown, view: View = {}, most = MAX_CHARACTERS): Bounded {
  if (Array.isArray(data)) return boundRows(data, view, most);
  if (typeof data === 'string') return boundText(data, view, most);
  if (isObject(data)) return boundFields(pick(data, view.fields), most);
  return { data };
}

function boundRows(all: unknown[], view: View, most: number): Bounded {
  const offset = view.offset ?? 0;
  const wanted = all.slice(offset, offset + (view.limit ?? all.length));
  const rows: unknown[] = [];
  let size = 2;
  for (const row of wanted) {
    const shown = isObject(row) ? pick(row, view.fields) : row;
    size += jsonLength(shown) + 1;
    if (size > most) break;
    rows.push(shown);
  }
  const tooLarge = rows.length < wanted.length;
  const next = offset + rows.length;
  if (offset === 0 && next === all.length) return { data: rows };
  const tail = next < all.length ? { next_offset: next } : {};
  return {
    data: rows,
    truncated: {
      reason: tooLarge ? `The answer is bounded to ${most} characters.` : 'A part of the list was asked for.',
      returned: rows.length,
      total: all.length,
      unit: 'rows',
      ...tail,
      how_to_get_the_rest: rowsAdvice(rows.length, next, all.length),
    },
  };
}

function rowsAdvice(returned: number, next: number, total: number): string {
  if (next >= total) return 'This is the end of the list.';
  if (returned === 0) return 'One row alone is too large: name the fields you need in `fields`.';
  return `Repeat the same GET with offset: ${next}, or name the fields you need in \`fields\`.`;
}

function boundText(all: string, view: View, most: number): Bounded {
  const offset = view.offset ?? 0;
  const text = all.slice(offset, offset + Math.min(view.limit ?? most, most));
  const next = offset + text.length;
  if (offset === 0 && next === all.length) return { data: all };
  return {
    data: text,
    truncated: {
      reason: `The answer is bounded to ${most} characters.`,
      returned: text.length,
      total: all.length,
      unit: 'characters',
      ...(next < all.length ? { next_offset: next } : {}),
      how_to_get_the_rest:
        next < all.length ? `Repeat the same GET with offset: ${next}.` : 'This is the end of the text.',
    },
  };
}

function boundFields(whole: Record<string, unknown>, most: number): Bounded {
  if (jsonLength(whole) <= most) return { data: whole };
  const kept: Record<string, unknown> = {};
  const omitted: string[] = [];
  let size = 2;
  for (const [name, value] of Object.entries(whole)) {
    const length = jsonLength(value) + name.length + 4;
    if (size + length > most) {
      omitted.push(name);
    } else {
      kept[name] = value;
      size += length;
    }
  }
  return {
    data: kept,
    truncated: {
      reason: `The answer is bounded to ${most} characters.`,
      returned: Object.keys(kept).length,
      total: Object.keys(whole).length,
      unit: 'fields',
      omitted_fields: omitted.slice(0, 100),
      how_to_get_the_rest:
        'Repeat the same GET and name the fields you need in `fields`, or read a path below this one.',
    },
  };
}

function jsonLength(value: unknown): number {
  return JSON.stringify(value)?.length ?? 0;
}

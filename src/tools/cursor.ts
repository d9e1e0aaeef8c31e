import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CallError } from '../proxmox/errors.ts';

/** A place in a sorted list: what comes after it is decided by the rows themselves, which may come and go. */
export interface Position {
  /** What the list is sorted by; null where the row has no such value. */
  value: string | number | null;
  cluster: string;
  /** Of the row within its cluster. */
  id: string;
}

/** Longer than any that is given out: names of Proxmox are short. */
const MOST_CHARACTERS = 2048;

/** `next_cursor` of the answer before, which says so where there is more. */
export const cursorParam = z.string().min(1).optional();

const SHAPE = z.tuple([
  z.string(),
  z.string(),
  z.union([z.string(), z.number(), z.null()]),
  z.string(),
  z.string(),
]);

/**
 * Writes a cursor. It is opaque to clients, holds nothing that the answer did not, and is trusted with nothing: the
 * next call is filtered and judged like any other.
 *
 * @param query what the list was asked for; another query can't go on from here
 */
export function writeCursor(query: unknown, { value, cluster, id }: Position): string {
  const asked = digest(query);
  const check = digest([asked, value, cluster, id]);
  return Buffer.from(JSON.stringify([asked, check, value, cluster, id])).toString('base64url');
}

/** @throws CallError INVALID_ARGUMENTS where it is none of ours, or of another query */
export function readCursor(query: unknown, cursor: string): Position {
  const parsed = SHAPE.safeParse(cursor.length > MOST_CHARACTERS ? undefined : decoded(cursor));
  if (!parsed.success) throw invalid('is not one that an answer gave');
  const [asked, check, value, cluster, id] = parsed.data;
  if (check !== digest([asked, value, cluster, id])) throw invalid('is not one that an answer gave');
  if (asked !== digest(query)) throw invalid('belongs to another query');
  return { value, cluster, id };
}

/** Values first, in the order asked for; rows without one at the end; equal ones by cluster and id. */
export function comparePositions(a: Position, b: Position, descending: boolean): number {
  const [left, right] = [a.value, b.value];
  if (left !== right) {
    if (left === null) return 1;
    if (right === null) return -1;
    // A list is sorted by texts or by numbers; only a cursor that someone made up mixes them.
    const isLess = typeof left === typeof right ? left < right : typeof left === 'number';
    return isLess === descending ? 1 : -1;
  }
  if (a.cluster !== b.cluster) return a.cluster < b.cluster ? -1 : 1;
  return a.id === b.id ? 0 : a.id < b.id ? -1 : 1;
}

function decoded(cursor: string): unknown {
  if (!/^[\w-]+$/.test(cursor)) return undefined;
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}

/** Not a seal: it tells a cursor that was cut or mistyped from a whole one. */
function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 10);
}

function invalid(problem: string): CallError {
  return new CallError('INVALID_ARGUMENTS', `This cursor ${problem}.`, {
    hint: 'Pass `next_cursor` unchanged, with the same filters and sort; or leave `cursor` out to start anew.',
  });
}

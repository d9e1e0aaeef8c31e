import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { numberOf, rowsOf, textOf } from '../results.ts';

/** For one question: a log is never in a hurry. */
const QUESTION_MS = 10_000;

/** A part of the log of a task. Lines count from 1. */
export interface LogPart {
  lines: readonly string[];
  /** How many lines come before it. */
  before: number;
  /** How many lines the log has by now. */
  total: number;
}

/** @param before how many lines are left out at the beginning. @throws CallError */
export async function logAfter(
  cluster: GatedCluster,
  { node, upid }: { node: string; upid: string },
  before: number,
  most: number,
): Promise<LogPart> {
  const path = apiPath`/nodes/${node}/tasks/${upid}/log`;
  const data = { start: before, limit: most };
  const answer = await cluster.request({ method: 'GET', path, data, deadlineMs: QUESTION_MS });
  const lines = rowsOf(answer.data).map((row) => textOf(row.t) ?? '');
  // PVE says in a line of its own that there is none (PVE::Tools::dump_logfile).
  const isEmpty = lines.length === 1 && lines[0] === 'no content' && (answer.total ?? 1) <= 1;
  if (isEmpty) return { lines: [], before: 0, total: 0 };
  return { lines, before, total: numberOf(answer.total) ?? before + lines.length };
}

/** The last lines. @throws CallError */
export async function logTail(
  cluster: GatedCluster,
  task: { node: string; upid: string },
  most: number,
): Promise<LogPart> {
  const head = await logAfter(cluster, task, 0, most);
  return head.total <= most ? head : logAfter(cluster, task, head.total - most, most);
}

/** A line that tells how far the work is: a share of the whole, or what was transferred. */
const PROGRESS = /\d\s?%|\btransferred\b/;
const SHARE = /(\d{1,3}(?:\.\d+)?)\s?%/g;

/**
 * How far a task is, by what it writes into its log: backups, clones, moves and migrations do.
 *
 * @returns the last lines that tell of it, and the last share that one of them names
 */
export function progressOf(lines: readonly string[], most: number) {
  const told = lines.filter((line) => PROGRESS.test(line)).slice(-most);
  const shares = told.flatMap((line) => [...line.matchAll(SHARE)].map(([, share]) => Number(share)));
  const share = shares.filter((value) => value <= 100).at(-1);
  return { lines: told, percent: share };
}

import { z } from 'zod';
import { parseUpid } from '../../proxmox/upid.ts';
import { bound } from '../bounded.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { noted } from '../results.ts';
import { type LogPart, logAfter, logTail } from './task-log.ts';
import { upidParam } from './task-row.ts';

const MOST_LINES = 1000;
/** A line may hold the whole output of a command. */
const LINE_LENGTH = 2000;
const MOST_CHARACTERS = 40_000;

export const getTaskLog = defineTool({
  name: 'get_task_log',
  title: 'Get task log',
  description: 'Shows the end of a task’s log, or what follows line `since`.',
  toolset: 'tasks',
  annotations: READS,
  calls: [['GET', '/nodes/{node}/tasks/{upid}/log', 'start', 'limit']],
  input: z.strictObject({
    cluster: clusterParam,
    upid: upidParam,
    tail: z.int().min(1).max(MOST_LINES).default(50),
    since: z.int().min(0).optional(),
  }),
  output: z.object({
    ...selectedFields,
    lines: z.array(z.string()),
    next_since: z.int().describe('The number of the last of them: pass it as `since` for what comes after.'),
    total: z.int(),
    note: z.string().optional(),
  }),
  async run({ cluster: name, upid, tail, since }, context) {
    const { node } = parseUpid(upid);
    const cluster = context.cluster(name);
    const task = { node, upid };
    const part =
      since === undefined
        ? await logTail(cluster, task, tail)
        : await logAfter(cluster, task, since, MOST_LINES);
    const { lines, before } = bounded(part, since === undefined);
    const next_since = lines.length === 0 ? Math.min(before, part.total) : before + lines.length;
    return {
      ...selectionOf(cluster),
      lines,
      next_since,
      total: part.total,
      ...noted(next_since < part.total ? `Go on with since ${next_since}.` : undefined),
    };
  },
  summary({ lines, total, next_since, note }) {
    if (total === 0) return 'The log is empty as yet.';
    if (lines.length === 0) return `Nothing follows line ${next_since} as yet.`;
    return `Lines ${next_since - lines.length + 1} to ${next_since} of ${total}.${note ? ` ${note}` : ''}`;
  },
});

/** As much as a reader can take: of an end, its end. */
function bounded({ lines, before }: LogPart, isTail: boolean): { lines: string[]; before: number } {
  const cut = lines.map((line) =>
    line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH).toWellFormed()}…` : line,
  );
  if (!isTail) return { lines: textsOf(bound(cut, {}, MOST_CHARACTERS).data), before };
  const kept = textsOf(bound(cut.reverse(), {}, MOST_CHARACTERS).data).reverse();
  return { lines: kept, before: before + lines.length - kept.length };
}

function textsOf(data: unknown): string[] {
  return Array.isArray(data) ? data.map(String) : [];
}

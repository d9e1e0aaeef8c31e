import type { AuditLine } from '../audit/chain.ts';
import type { AuditCall } from '../audit/search.ts';
import { styled } from './output.ts';

/** A text from the record as it may go to a terminal: what was recorded may try to move the cursor, or to hide. */
export function shown(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** A call as an auditor reads it: what happened, and below who let it through and why. */
export function callText(call: AuditCall): string {
  const said = (name: string): string | undefined => {
    const value = call.begin[name];
    return typeof value === 'string' && value !== '' ? shown(value) : undefined;
  };
  const what = [
    call.time,
    shown(call.subject),
    shown(call.cluster),
    `${shown(call.method)} ${shown(call.path)}`,
    shown(call.risks.join(',')),
    outcomeText(call),
  ];
  const why = [
    shown(call.tool),
    labelled('client', said('client')),
    labelled('cluster by', [said('selected_by'), said('matched')].filter(isText).join(' ')),
    labelled(said('decision') ?? 'decided', said('rule')),
    labelled('approval', said('approval')),
    call.upid && shown(call.upid),
    labelled('task', call.task_status && shown(call.task_status)),
    `id ${shown(call.id)}`,
  ];
  return `${what.join('  ')}\n    ${why.filter(isText).join(' · ')}`;
}

function outcomeText({ outcome, duration_ms }: AuditCall): string {
  if (outcome === undefined) return styled('yellow', 'no end');
  const took = duration_ms === undefined ? '' : ` in ${duration_ms} ms`;
  return `${styled(outcome === 'ok' ? 'green' : 'red', shown(outcome))}${took}`;
}

const EVENTS: Readonly<Record<string, string>> = {
  open: 'the service opened the record',
  rotate: 'the record goes on in a new file',
  gap: 'lines could not be written',
  task: 'a task ended',
};

/** A line that is no call. */
export function eventText({ time, seq, kind, fields }: AuditLine): string {
  const { task_status, upid } = fields;
  const more = [upid, task_status].filter(isText).map(shown);
  return [time, `number ${seq}`, EVENTS[kind] ?? shown(kind), ...more].join('  ');
}

function labelled(label: string, text: string | undefined): string | undefined {
  return isText(text) ? `${label} ${text}` : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

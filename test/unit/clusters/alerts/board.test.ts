import { expect, it } from 'vitest';
import type { AlertChange, Finding } from '../../../../src/clusters/alerts/alert.ts';
import { AlertBoard } from '../../../../src/clusters/alerts/board.ts';

const DOWN: Finding = {
  kind: 'cluster_down',
  severity: 'critical',
  cluster: 'a',
  subject: 'cluster',
  message: 'a is down',
};
const full = (severity: 'warning' | 'critical', node?: string): Finding => ({
  kind: 'storage_full',
  severity,
  cluster: 'a',
  subject: `storage local on ${node}`,
  message: `full, password s3cret`,
  ...(node === undefined ? {} : { node }),
});

function boardWith() {
  const clock = { time: 1000, now: () => clock.time };
  const board = new AlertBoard({ clock, redact: (text) => text.replaceAll('s3cret', '[redacted]') });
  const changes: AlertChange[] = [];
  board.onChange((some) => changes.push(...some));
  const events = () => changes.splice(0).map(({ event, alert }) => `${event} ${alert.id} ${alert.severity}`);
  return { board, clock, changes, events };
}

it('raises an outage once it has held for two looks, keeps it, and ends it after two looks without it', () => {
  const { board, clock, events } = boardWith();
  const look = (...findings: Finding[]) => {
    clock.time += 60_000;
    board.take('a', 'health', { findings });
  };
  look(DOWN);
  expect([events(), board.active()]).toEqual([[], []]);
  look(DOWN);
  expect(events()).toEqual(['raised cluster_down:a:cluster critical']);
  look(DOWN);
  look();
  expect(events()).toEqual([]);
  expect(board.active()).toMatchObject([{ since: 61_000, lastSeen: 181_000 }]);
  look(DOWN);
  look();
  expect(events()).toEqual([]);
  look();
  expect(events()).toEqual(['resolved cluster_down:a:cluster critical']);
  expect(board.active()).toEqual([]);
});

it('says nothing of an outage that a single look saw', () => {
  const { board, events } = boardWith();
  for (const findings of [[DOWN], [], [DOWN], []]) board.take('a', 'health', { findings });
  expect(events()).toEqual([]);
});

it('raises at once what does not flap, tells of another severity, and not of another figure', () => {
  const { board, events } = boardWith();
  board.take('a', 'storages', { findings: [full('warning', 'n1')] });
  board.take('a', 'storages', { findings: [{ ...full('warning', 'n1'), message: 'fuller' }] });
  board.take('a', 'storages', { findings: [full('critical', 'n1')] });
  const id = 'storage_full:a:storage local on n1';
  expect(events()).toEqual([`raised ${id} warning`, `changed ${id} critical`]);
  board.take('a', 'storages', { findings: [] });
  expect(events()).toEqual([`resolved ${id} critical`]);
});

it('keeps what a look could not tell of: other groups, other clusters, nodes that did not answer', () => {
  const { board, events } = boardWith();
  board.take('a', 'storages', { findings: [full('warning', 'n1'), full('warning', 'n2')] });
  events();
  board.take('a', 'status', { findings: [] });
  board.take('b', 'storages', { findings: [] });
  board.take(undefined, 'audit', { findings: [] });
  board.take('a', 'storages', { findings: [], unread: new Set(['n1']) });
  expect(events()).toEqual(['resolved storage_full:a:storage local on n2 warning']);
  expect(board.active().map(({ node }) => node)).toEqual(['n1']);
});

it('takes up what was there before a restart without a word, and ends it when a look says so', () => {
  const { board, events } = boardWith();
  const alert = { ...full('warning', 'n1'), id: 'storage_full:a:storage local on n1', since: 5, lastSeen: 6 };
  board.restore([alert]);
  board.take('a', 'storages', { findings: [full('warning', 'n1')] });
  expect([events(), board.active()[0]?.since]).toEqual([[], 5]);
  expect(board.isOver(alert)).toBe(false);
  board.take('a', 'storages', { findings: [] });
  expect(events()).toHaveLength(1);
  expect(board.isOver(alert)).toBe(true);
});

it('calls nothing over of which it knows nothing', () => {
  const { board } = boardWith();
  const alert = { ...DOWN, id: 'cluster_down:a:cluster', since: 5, lastSeen: 6 };
  expect(board.isOver(alert)).toBe(false);
  board.take('a', 'health', { findings: [DOWN] });
  expect(board.isOver(alert)).toBe(false);
});

it('ends what is about a cluster that is no longer configured', () => {
  const { board, events, changes } = boardWith();
  board.take('a', 'storages', { findings: [full('warning', 'n1')] });
  board.take(undefined, 'redis', { findings: [] });
  events();
  board.retain(['b']);
  expect(changes[0]?.message).toBe('The cluster a is no longer configured: it is not watched any more.');
  expect(events()).toHaveLength(1);
});

it('shows no secret', () => {
  const { board, changes } = boardWith();
  board.take('a', 'storages', { findings: [full('warning', 'n1')] });
  expect(JSON.stringify([board.active(), changes])).not.toContain('s3cret');
});

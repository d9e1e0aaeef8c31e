import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { Principal } from '../../../src/access/principal.ts';
import { SessionStore } from '../../../src/mcp/sessions.ts';
import { directoryOf, RecordingCluster } from '../../support/recording-cluster.ts';

const directory = directoryOf(new RecordingCluster('a'));
const alice: Principal = {
  id: 'alice',
  subject: 'alice',
  groups: [],
  scopes: new Set(),
  credential: 'jwt:a',
};
const bob: Principal = { ...alice, id: 'bob' };
let now = 0;
const stores: SessionStore<string>[] = [];

function store(most = 10) {
  const made = new SessionStore<string>({ most, perPrincipal: 3, idleMs: 1000 }, () => now);
  stores.push(made);
  return made;
}

function add(to: SessionStore<string>, id: string, closed: string[] = []) {
  return to.add({
    id,
    principalId: 'alice',
    openedBy: alice,
    directory,
    transport: 't',
    close: async () => void closed.push(id),
  });
}

function response() {
  return new EventEmitter() as unknown as ServerResponse & EventEmitter;
}

afterEach(async () => {
  now = 0;
  await Promise.all(stores.splice(0).map((made) => made.closeAll()));
});

describe('SessionStore', () => {
  it('shows a session to its owner alone, and under its own clusters alone', () => {
    const sessions = store();
    add(sessions, 's1');
    expect(sessions.find('s1', alice, directory)?.id).toBe('s1');
    expect(sessions.find('s1', bob, directory)).toBeUndefined();
    expect(sessions.find('s1', alice, directoryOf(new RecordingCluster('a')))).toBeUndefined();
    expect(sessions.find('s2', alice, directory)).toBeUndefined();
  });

  it('is bounded', () => {
    const sessions = store(1);
    expect(sessions.hasRoom(alice)).toBe(true);
    add(sessions, 's1');
    expect(sessions.hasRoom(alice)).toBe(false);
  });

  it('makes room by closing what is idle', () => {
    const sessions = store(1);
    const closed: string[] = [];
    add(sessions, 's1', closed);
    now = 2000;
    expect(sessions.hasRoom(alice)).toBe(true);
    expect(closed).toEqual(['s1']);
  });

  it('lets no principal take all places: its own oldest idle session makes room', () => {
    const sessions = store();
    const closed: string[] = [];
    for (const id of ['s1', 's2', 's3']) {
      add(sessions, id, closed);
      now += 1;
    }
    expect(sessions.hasRoom(bob)).toBe(true);
    expect(closed).toEqual([]);
    expect(sessions.hasRoom(alice)).toBe(true);
    expect(closed).toEqual(['s1']);
  });

  it('refuses a principal whose sessions are all in use', () => {
    const sessions = store();
    for (const id of ['s1', 's2', 's3']) sessions.hold(add(sessions, id), response());
    expect(sessions.hasRoom(alice)).toBe(false);
    expect(sessions.hasRoom(bob)).toBe(true);
  });

  it('does not count a response whose client has gone already', () => {
    const sessions = store();
    const session = add(sessions, 's1');
    sessions.hold(session, Object.assign(response(), { destroyed: true }));
    expect(session.open).toBe(0);
  });

  it('keeps a session that is used or that holds a stream', () => {
    const sessions = store();
    const used = add(sessions, 'used');
    const held = add(sessions, 'held');
    const stream = response();
    sessions.hold(held, stream);
    now = 900;
    sessions.find(used.id, alice, directory);
    now = 1500;
    sessions.sweep();
    expect(sessions.size).toBe(2);
    stream.emit('close');
    now = 4000;
    sessions.sweep();
    expect(sessions.size).toBe(0);
  });
});

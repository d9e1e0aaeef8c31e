import { createHash, createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AuditError, codeOf, reasonOf } from '../../../src/audit/audit-error.ts';
import {
  AuditKey,
  EMPTY,
  fragmentOf,
  GENESIS,
  hashOf,
  isRecord,
  keyIdOf,
  nextLine,
  parseLine,
} from '../../../src/audit/chain.ts';
import { clipped, clippedParameters, clippedText } from '../../../src/audit/clip.ts';
import { beginFragment, endFragment, taskFragment } from '../../../src/audit/entry.ts';
import { Flights, textIn } from '../../../src/audit/flights.ts';
import { call } from '../../support/audit-record.ts';

const KEY = new AuditKey(Buffer.from('k'.repeat(32)));
const FRAGMENT = fragmentOf('end', { id: 'a' });

describe('a line', () => {
  it('names its number, its time, the line before, and its own hash last', () => {
    const { text, head } = nextLine({ seq: 4, hash: GENESIS }, 0, FRAGMENT, undefined);
    const body = `{"seq":5,"time":"1970-01-01T00:00:00.000Z","prev":"${GENESIS}","kind":"end","id":"a"}`;
    const hash = createHash('sha256').update(body).digest('hex');
    expect(text).toBe(`${body.slice(0, -1)},"hash":"${hash}"}\n`);
    expect(head).toEqual({ seq: 5, hash });
    expect(EMPTY).toEqual({ seq: 0, hash: '0'.repeat(64) });
    expect(parseLine(Buffer.from(text.trimEnd()))).toEqual({
      seq: 5,
      time: '1970-01-01T00:00:00.000Z',
      prev: GENESIS,
      kind: 'end',
      hash,
      fields: expect.objectContaining({ id: 'a', hash }),
      body: Buffer.from(body),
    });
  });

  it('that is keyed names the key, and nobody makes it without', () => {
    const raw = Buffer.from('k'.repeat(32));
    const id = createHmac('sha256', raw).update('proxmox-mcp audit key').digest('hex').slice(0, 8);
    expect(KEY.id).toBe(id);
    const { text, head } = nextLine(EMPTY, 0, FRAGMENT, KEY);
    const line = parseLine(Buffer.from(text.trimEnd()));
    expect(head.hash).toBe(
      `${id}:${createHmac('sha256', raw)
        .update(line?.body ?? '')
        .digest('hex')}`,
    );
    expect(keyIdOf(head.hash)).toBe(id);
    expect(keyIdOf(GENESIS)).toBeUndefined();
    expect(hashOf(Buffer.from('x'), KEY)).toBe(KEY.mac(Buffer.from('x')));
    expect(hashOf(Buffer.from('x'), KEY)).not.toBe(hashOf(Buffer.from('x'), undefined));
  });

  it('has a key of 32 bytes or more, which is its own', () => {
    expect(() => new AuditKey(Buffer.alloc(31))).toThrow(
      new RangeError('the key of the audit record must have 32 bytes or more'),
    );
    const raw = Buffer.from('k'.repeat(32));
    const key = new AuditKey(raw);
    raw.fill(0);
    expect(key.mac(Buffer.from('x'))).toBe(KEY.mac(Buffer.from('x')));
  });

  it.each<[string, (line: string) => string]>([
    ['nothing', () => ''],
    ['no JSON', (line) => line.slice(1)],
    ['no hash', (line) => line.replace(/,"hash":"[0-9a-f]+"/, '')],
    ['a hash that is too short', (line) => line.replace(/"hash":"./, '"hash":"')],
    ['a hash that is too long', (line) => line.replace(/"hash":"/, '"hash":"0')],
    ['a hash of other letters', (line) => line.replace(/"hash":"./, '"hash":"g')],
    ['a key id that is too long', (line) => line.replace(/"hash":"/, '"hash":"012345678:')],
    ['a hash that is no text', (line) => line.replace(/"hash":"[0-9a-f]+"/, '"hash":"x","hash":1')],
    ['another prev', (line) => line.replace(/"prev":"0/, '"prev":"')],
    ['a prev that is no text', (line) => line.replace(/"prev":"0+"/, '"prev":0')],
    ['the number nought', (line) => line.replace('"seq":1', '"seq":0')],
    ['half a number', (line) => line.replace('"seq":1', '"seq":1.5')],
    ['a number in a text', (line) => line.replace('"seq":1', '"seq":"1"')],
    ['no time', (line) => line.replace(/"time":"[^"]+"/, '"time":1')],
    ['no kind', (line) => line.replace('"kind":"end"', '"kind":1')],
    ['a member behind the hash', (line) => line.replace(/\}$/, ',"x":1}')],
    ['a blank behind', (line) => `${line} `],
    ['a list', (line) => `[${line}]`],
  ])('is none with %s', (_what, change) => {
    const line = nextLine(EMPTY, 0, FRAGMENT, undefined).text.trimEnd();
    expect(parseLine(Buffer.from(line))).toBeDefined();
    expect(parseLine(Buffer.from(change(line)))).toBeUndefined();
  });

  it('is an object, and nothing else that JSON has', () => {
    expect([{}, { a: 1 }].every(isRecord)).toBe(true);
    expect([[], null, 'x', 1, undefined].some(isRecord)).toBe(false);
  });
});

describe('what a line says', () => {
  const said = (fragment: string) => JSON.parse(`{${fragment}}`) as Record<string, unknown>;

  it('of a call that begins', () => {
    expect(said(beginFragment(call('a', { client: 'c', matched: 'm', approval: 'plan 1' })))).toEqual({
      kind: 'begin',
      id: 'a',
      write: true,
      subject: 'alice',
      client: 'c',
      matched: 'm',
      approval: 'plan 1',
      credential: 'key:1',
      door: 'http',
      tool: 'stop_guest',
      cluster: 'production',
      method: 'POST',
      path: '/nodes/pve1/qemu/100/status/stop',
      decision: 'allowed',
      rule: 'role operator',
      request_id: 'request-of-a',
      selected_by: 'name',
      risks: ['change'],
      parameters: { timeout: 30 },
    });
  });

  it('of its end and of its task', () => {
    expect(said(endFragment({ id: 'a', outcome: 'ok', durationMs: 5 }))).toEqual({
      kind: 'end',
      id: 'a',
      outcome: 'ok',
      duration_ms: 5,
    });
    const end = {
      id: 'a',
      outcome: 'X',
      status: 500,
      endpoint: 'e',
      upid: 'u',
      taskStatus: 'OK',
      durationMs: 5,
    };
    expect(said(endFragment(end))).toEqual({
      kind: 'end',
      id: 'a',
      outcome: 'X',
      status: 500,
      endpoint: 'e',
      upid: 'u',
      task_status: 'OK',
      duration_ms: 5,
    });
    expect(said(taskFragment({ id: 'a', upid: 'u', taskStatus: 'OK' }))).toEqual({
      kind: 'task',
      id: 'a',
      upid: 'u',
      task_status: 'OK',
    });
  });
});

describe('clipping', () => {
  const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

  it.each<[unknown, unknown]>([
    ['x', 'x'],
    [12n, '12'],
    [null, null],
    [true, true],
    [1.5, 1.5],
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [undefined, undefined],
    [() => 1, undefined],
    [new Date(Number.NaN), 'Invalid Date'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Map(), '[redacted]'],
    [
      [undefined, 1],
      [null, 1],
    ],
  ])('%o becomes %o', (value, expected) => {
    expect(clipped(value)).toEqual(expected);
  });

  it('counts levels, members and characters exactly', () => {
    expect(JSON.stringify(clipped([[[[[['x']]]]]]))).toBe('[[[[[["x"]]]]]]');
    expect(JSON.stringify(clipped([[[[[[['x']]]]]]]))).toBe('[[[[[["[deeper than 6 levels]"]]]]]]');
    const list = Array.from({ length: 201 }, (_, index) => index);
    expect(clipped(list.slice(0, 200))).toEqual(list.slice(0, 200));
    expect(clipped(list)).toEqual([...list.slice(0, 200), '[1 more]']);
    const members = (count: number) =>
      Object.fromEntries(list.slice(0, count).map((one) => [`m${one}`, one]));
    expect(Object.keys(clipped(members(200)) as object)).toHaveLength(200);
    expect(clipped(members(201))).toMatchObject({ m199: 199, '…': '[1 more]' });
    expect(clipped(members(201))).not.toHaveProperty('m200');
    expect(clipped({ ['n'.repeat(100)]: 1 })).toEqual({ ['n'.repeat(100)]: 1 });
    expect(Object.keys(clipped({ ['n'.repeat(101)]: 1 }) as object)).toEqual([
      `[name of 101 characters, sha256 ${digest('n'.repeat(101))}]`,
    ]);
    expect(clippedText('x'.repeat(1000))).toBe('x'.repeat(1000));
    expect(clippedText('x'.repeat(1001))).toBe(`[1001 characters, sha256 ${digest('x'.repeat(1001))}]`);
  });

  it('bounds all parameters together', () => {
    const parameters = (last: number) =>
      Object.fromEntries(
        Array.from({ length: 33 }, (_, index) => [`p${index + 10}`, 'x'.repeat(index < 32 ? 990 : last)]),
      );
    const room = 32_768 - JSON.stringify(parameters(0)).length;
    expect(clippedParameters(parameters(room))).toMatchObject({ p42: 'x'.repeat(room) });
    const text = JSON.stringify(parameters(room + 1));
    expect(clippedParameters(parameters(room + 1))).toEqual({
      clipped: `[32769 characters of JSON, sha256 ${digest(text)}]`,
      names: Object.keys(parameters(0)),
    });
  });
});

describe('calls without an end', () => {
  it('are those of a process that is gone, and those at the end', () => {
    const flights = new Flights(2);
    let seq = 0;
    const take = (kind: string, id: string) =>
      flights.take({
        seq: ++seq,
        time: 't',
        prev: '',
        hash: '',
        kind,
        fields: { id, tool: 1 },
        body: Buffer.alloc(0),
      });
    take('begin', 'a');
    take('begin', 'b');
    take('end', 'a');
    take('task', 'b');
    take('open', '');
    take('end', 'b');
    take('begin', 'c');
    take('begin', 'd');
    const { total, calls } = flights.unfinished();
    expect(total).toBe(3);
    expect(calls.map(({ id }) => id)).toEqual(['b', 'c']);
    expect(calls[0]).toEqual({
      id: 'b',
      seq: 2,
      time: 't',
      subject: '',
      cluster: '',
      tool: '',
      method: '',
      path: '',
    });
    expect(textIn({ a: 1 }, 'a')).toBe('');
  });
});

describe('why the record can not be written', () => {
  it.each([
    ['ENOSPC', 'the disk is full (ENOSPC)'],
    ['EDQUOT', 'the disk quota is used up (EDQUOT)'],
    ['EIO', 'the disk reports an error (EIO)'],
    ['EROFS', 'the file system is read-only (EROFS)'],
    ['EACCES', 'the service may not write there (EACCES)'],
    ['EPERM', 'the service may not write there (EPERM)'],
    ['ENOENT', 'its folder is gone (ENOENT)'],
    ['ENOTDIR', 'a part of its path is no folder (ENOTDIR)'],
    ['EISDIR', 'it is a folder (EISDIR)'],
    ['EMFILE', 'too many files are open (EMFILE)'],
    ['EFBIG', 'the file is too large (EFBIG)'],
    ['EWHAT', 'the file system failed (EWHAT)'],
  ])('%s: %s', (code, words) => {
    expect(reasonOf(Object.assign(new Error('/secret/path'), { code }))).toBe(words);
  });

  it('is unknown where nothing is known', () => {
    expect(codeOf(new Error('x'))).toBe('unknown');
    expect(codeOf({ code: 'EIO' })).toBe('unknown');
    expect(codeOf(Object.assign(new Error('x'), { code: 5 }))).toBe('unknown');
    expect(new AuditError('x').name).toBe('AuditError');
  });
});

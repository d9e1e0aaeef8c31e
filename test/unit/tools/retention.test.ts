import { describe, expect, it } from 'vitest';
import { parseRetention, retentionText, writeRetention } from '../../../src/tools/retention.ts';

describe('parseRetention', () => {
  it('reads a rule with and without keep-, and writes it as Proxmox does', () => {
    const rule = parseRetention('daily=7, keep-last=3,weekly=0');
    expect(rule).toEqual({ daily: 7, last: 3, weekly: 0 });
    expect(writeRetention(rule ?? {})).toBe('keep-last=3,keep-daily=7');
    expect(parseRetention('keep-all=1')).toEqual({ all: true });
    expect(writeRetention({ all: true })).toBe('keep-all=1');
  });

  it.each([
    '',
    'last',
    'last=-1',
    'keep-last=0',
    'last=1,last=2',
    'all=1,last=1',
    'all=0',
    'forever=1',
    'last=1;x',
  ])('refuses %j', (text) => expect(parseRetention(text)).toBeUndefined());
});

it('retentionText takes what Proxmox gives as a text or as an object', () => {
  expect(retentionText('keep-last=3')).toBe('keep-last=3');
  expect(retentionText({ 'keep-last': '3', 'keep-daily': 7 })).toBe('keep-last=3,keep-daily=7');
  expect(retentionText({ 'keep-all': true })).toBe('keep-all=1');
  for (const nothing of [undefined, '', {}, 3]) expect(retentionText(nothing)).toBeUndefined();
});

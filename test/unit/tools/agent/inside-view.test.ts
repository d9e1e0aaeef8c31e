import { expect, it } from 'vitest';
import {
  shownAgent,
  shownFileSystems,
  shownOs,
  shownTime,
  shownUsers,
} from '../../../../src/tools/agent/inside-view.ts';

it('tells how far the clock of a guest is ahead', () => {
  const now = Date.parse('2026-11-21T08:00:00Z');
  expect(shownTime((now + 90_000) * 1_000_000, { zone: 'CET', offset: 3600 }, now)).toEqual({
    now: '2026-11-21T08:01:30.000Z',
    ahead_seconds: 90,
    zone: 'CET',
    utc_offset_seconds: 3600,
  });
  expect(shownTime(undefined, undefined, now)).toEqual({});
});

it('leaves pseudo file systems out, and what an old agent does not tell', () => {
  const rows = [
    { mountpoint: '/', type: 'ext4', name: 'sda1', 'used-bytes': 25, 'total-bytes': 100 },
    { mountpoint: '/snap/core/1', type: 'squashfs', 'used-bytes': 1, 'total-bytes': 1 },
    { mountpoint: 'C:\\', type: 'NTFS' },
  ];
  expect(shownFileSystems(rows)).toEqual([
    { mountpoint: '/', type: 'ext4', device: 'sda1', used_bytes: 25, total_bytes: 100, used_percent: 25 },
    { mountpoint: 'C:\\', type: 'NTFS' },
  ]);
});

it('reads fractions of seconds, and domains of Windows', () => {
  expect(shownUsers([{ user: 'Admin', domain: 'CORP', 'login-time': 1795248000.25 }])).toEqual([
    { user: 'Admin', domain: 'CORP', login_at: '2026-11-21T08:00:00.250Z' },
  ]);
});

it('names the commands that the administrator turned off', () => {
  const supported_commands = [
    { name: 'guest-exec', enabled: false },
    { name: 'guest-ping', enabled: true },
  ];
  expect(shownAgent({ version: '9.1', supported_commands })).toEqual({
    version: '9.1',
    disabled_commands: ['guest-exec'],
  });
});

it('makes nothing of an answer that is none', () => {
  expect([shownOs(null), shownFileSystems('x'), shownUsers({}), shownAgent(7)]).toEqual([{}, [], [], {}]);
});

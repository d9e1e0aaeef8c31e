import { expect, it } from 'vitest';
import { lookAtOwn } from '../../../../src/access/alerts/own.ts';
import { openCredentials } from '../../../../src/access/credentials.ts';
import { openState } from '../../../../src/access/state.ts';

const NOW = Date.parse('2026-11-22T05:00:00Z');
const DAY = 86_400;
const config = () => ({
  intervalSeconds: 60,
  storagePercent: { warning: 85, critical: 95 },
  certificateDays: 10,
  tokenDays: 7,
  backupAgeDays: 0,
});

function sources(more = {}) {
  const state = openState(undefined);
  const credentials = openCredentials(state, () => NOW);
  return { state, credentials, config, now: () => NOW, ...more };
}

const kinds = (from: Parameters<typeof lookAtOwn>[0]) =>
  [...lookAtOwn(from).values()].flatMap(({ findings }) => findings.map(({ kind }) => kind));

it('finds a record, a state and a Redis that fail, and a certificate that ends', () => {
  expect(kinds(sources())).toEqual([]);
  expect(kinds(sources({ audit: { healthy: () => ({ ok: false, problem: 'disk full' }) } }))).toEqual([
    'audit_failing',
  ]);
  expect(kinds(sources({ state: { isHealthy: () => false } }))).toEqual(['state_failing']);
  const apart = { state: { isHealthy: () => false }, redis: { isUp: () => false } };
  expect(kinds(sources(apart))).toEqual(['redis_failing']);
  expect(kinds(sources({ certificateExpiresAt: () => NOW + DAY * 1000 }))).toEqual(['certificate_expiring']);
  expect(kinds(sources({ certificateExpiresAt: () => undefined }))).toEqual([]);
});

it('speaks of a key that ends soon, unless it was short, was replaced or was revoked', async () => {
  const from = sources();
  const { apiKeys, revocations } = from.credentials;
  const madeAt = NOW / 1000 - 85 * DAY;
  const { record } = await apiKeys.add('ci', 'proxmox:read', 90 * DAY, madeAt);
  await apiKeys.add('short', 'proxmox:read', 5 * DAY, NOW / 1000);
  const findings = () => lookAtOwn(from).get('credentials')?.findings ?? [];
  expect(findings()).toMatchObject([
    { subject: `API key ${record.id}`, message: expect.stringContaining(`keys rotate ${record.id}`) },
  ]);
  const { record: next } = await apiKeys.add('ci', 'proxmox:read', 90 * DAY, NOW / 1000);
  expect(findings()).toEqual([]);
  await revocations.revoke({ credential: `key:${next.id}` });
  expect(findings()).toHaveLength(1);
  await revocations.revoke({ credential: `key:${record.id}` });
  expect(findings()).toEqual([]);
});

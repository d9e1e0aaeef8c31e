import { expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { ConfigError } from '../../../src/config/problems.ts';
import { fileWith, folderWith } from '../../support/config-folder.ts';

const HOOK = 'https://hooks.example/T0/secret-path';
const folder = () => folderWith({ 'clusters.json': fileWith(), hook: `${HOOK}\n` });
const alertsOf = (env: Record<string, string>) => loadConfig({ env, cwd: folder(), needsAuth: false }).alerts;

function problemOf(env: Record<string, string>): string {
  try {
    alertsOf(env);
    return 'none';
  } catch (error) {
    return error instanceof ConfigError ? error.message : String(error);
  }
}

it('has limits that most estates can live with, and sends nowhere', () => {
  expect(alertsOf({})).toEqual({
    intervalSeconds: 60,
    storagePercent: { warning: 85, critical: 95 },
    certificateDays: 10,
    tokenDays: 7,
    backupAgeDays: 0,
  });
});

it('takes the webhook from a file, and shows it nowhere', () => {
  const config = loadConfig({ env: { ALERT_WEBHOOK_URL_FILE: 'hook' }, cwd: folder(), needsAuth: false });
  expect(config.alerts.webhookUrl?.reveal()).toBe(HOOK);
  expect(JSON.stringify(config)).not.toContain('secret-path');
});

it('takes http on loopback alone, unless it is allowed', () => {
  expect(problemOf({ ALERT_WEBHOOK_URL: 'http://127.0.0.1:9/x' })).toBe('none');
  expect(problemOf({ ALERT_WEBHOOK_URL: 'http://[::1]:9/x' })).toBe('none');
  expect(problemOf({ ALERT_WEBHOOK_URL: 'http://hooks.example/x' })).toContain('must be an https URL');
  const allowed = { ALERT_WEBHOOK_URL: 'http://hooks.example/x', ALERT_WEBHOOK_ALLOW_HTTP: 'true' };
  expect(problemOf(allowed)).toBe('none');
});

it.each([
  [{ ALERT_WEBHOOK_URL: 'ftp://hooks.example/secret-path' }, 'must be an https URL'],
  [{ ALERT_WEBHOOK_URL: 'secret-path' }, 'must be an https URL'],
  [{ ALERT_WEBHOOK_URL: 'https://u:secret-path@h/' }, 'must not hold a user'],
  [{ ALERT_WEBHOOK_SECRET: 'secret-path' }, 'shorter than 32 bytes'],
  [{ ALERT_INTERVAL_SECONDS: '30' }, 'must be 0 (nothing is watched) or from 60 to 3600'],
  [{ ALERT_STORAGE_PERCENT: '95,85' }, 'two whole numbers'],
  [{ ALERT_STORAGE_PERCENT: '85' }, 'two whole numbers'],
  [{ ALERT_CERTIFICATE_DAYS: '0' }, 'from 1 to 365'],
])('refuses %j and does not quote it', (env, problem) => {
  expect(problemOf(env as Record<string, string>)).toContain(problem);
  expect(problemOf(env as Record<string, string>)).not.toContain('secret-path');
});

it('warns of a name that nothing reads', () => {
  const { warnings } = loadConfig({ env: { ALERT_WEBHOOK_UR: HOOK }, cwd: folder(), needsAuth: false });
  expect(warnings.join()).toContain('did you mean ALERT_WEBHOOK_URL?');
});

import { randomUUID } from 'node:crypto';
import { loadConfig } from '../config/load.ts';
import { bodyOf, type Change } from '../http/alerts/body.ts';
import { postOnce } from '../http/alerts/webhook.ts';
import type { TestOptions } from './alerts.ts';
import { CliError, EXIT, usageError } from './failure.ts';
import { print, printJson } from './output.ts';

/** @throws CliError where there is no webhook, or it does not take the alert */
export async function runTest({ json }: TestOptions): Promise<void> {
  const config = loadConfig({ env: process.env, cwd: process.cwd(), needsAuth: false });
  const { webhookUrl: url, webhookSecret: secret } = config.alerts;
  if (url === undefined) {
    throw usageError('No webhook is configured.', 'Set ALERT_WEBHOOK_URL, or ALERT_WEBHOOK_URL_FILE.');
  }
  const now = Date.now();
  const body = JSON.stringify(bodyOf([testChange(now)], { id: randomUUID(), at: now, isTest: true }));
  const outcome = await postOnce({ url, secret }, body, now, new AbortController().signal);
  const isSigned = secret !== undefined;
  const isTaken = 'status' in outcome && outcome.status >= 200 && outcome.status < 300;
  if (json) printJson({ taken: isTaken, signed: isSigned, ...outcome });
  if (isTaken) {
    if (!json)
      print(
        `The webhook took the test alert (HTTP ${outcome.status}); it was ${isSigned ? 'signed' : 'not signed'}.`,
      );
    return;
  }
  const what = 'status' in outcome ? `answered HTTP ${outcome.status}` : `gave no answer: ${outcome.problem}`;
  throw new CliError(`The webhook did not take the test alert: it ${what}.`, {
    exitCode: EXIT.noService,
    fix: 'Compare ALERT_WEBHOOK_URL with what the receiver gave you; redirects are not followed.',
  });
}

function testChange(at: number): Change {
  const message = 'This alert says that alerts arrive; nothing is wrong.';
  const alert = {
    id: 'cluster_down:test:cluster',
    kind: 'cluster_down',
    severity: 'warning',
    cluster: 'test',
    subject: 'cluster',
    message,
    since: at,
    lastSeen: at,
  } as const;
  return { event: 'raised', alert, message, at };
}

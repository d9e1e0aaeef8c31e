import type { Alert, AlertChange } from '../../clusters/alerts/alert.ts';

/** Of the form below; another one gets another number. */
const BODY_VERSION = 1;
/** Changes that `text` spells out; the rest is counted. */
const MOST_LINES = 20;

/** What is sent, apart from what every batch has. */
export type Change = Pick<AlertChange, 'event' | 'alert' | 'message' | 'at'>;

/**
 * The JSON that a webhook gets; docs/alerts.md describes it, and it stays as it is. `text` is what Slack, Mattermost and
 * the like show.
 *
 * @param id of the batch, the same in each try
 */
export function bodyOf(
  changes: readonly Change[],
  { id, at, isTest = false }: { id: string; at: number; isTest?: boolean },
) {
  return {
    version: BODY_VERSION,
    id,
    sent_at: iso(at),
    test: isTest,
    text: textOf(changes, isTest),
    alerts: changes.map(shown),
  };
}

function shown({ event, alert, message, at }: Change) {
  return {
    event,
    ...alertFields(alert),
    message,
    ...(event === 'resolved' ? { resolved_at: iso(at) } : {}),
  };
}

function alertFields({ id, kind, severity, cluster, subject, since, lastSeen }: Alert) {
  return {
    id,
    kind,
    severity,
    cluster: cluster ?? null,
    subject,
    since: iso(since),
    last_seen: iso(lastSeen),
  };
}

function textOf(changes: readonly Change[], isTest: boolean): string {
  const lines = changes.slice(0, MOST_LINES).map(({ event, alert, message }) => {
    return `[${event === 'resolved' ? 'resolved' : alert.severity}] ${message}`;
  });
  const left = changes.length - lines.length;
  return [
    ...(isTest ? ['This is a test.'] : []),
    ...lines,
    ...(left > 0 ? [`… and ${left} more.`] : []),
  ].join('\n');
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

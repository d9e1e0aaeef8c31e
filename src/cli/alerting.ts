import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { lookAtOwn, type OwnSources } from '../access/alerts/own.ts';
import { AlertStore } from '../access/alerts/store.ts';
import { openCredentials } from '../access/credentials.ts';
import type { State } from '../access/state.ts';
import type { AlertChange } from '../clusters/alerts/alert.ts';
import { AlertBoard } from '../clusters/alerts/board.ts';
import { AlertWatch } from '../clusters/alerts/watch.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { AlertConfig } from '../config/config.ts';
import { AlertDelivery } from '../http/alerts/delivery.ts';
import { postOnce } from '../http/alerts/webhook.ts';
import type { Redaction } from '../observability/redaction.ts';
import { visible } from '../proxmox/text.ts';

/** What is watched, and who hears of it. */
export interface Alerting {
  board: AlertBoard;
  watch: AlertWatch;
  /** Sends to the webhook, once started; absent where none is configured. */
  delivery: AlertDelivery | undefined;
  /** Begins to watch. @param sends whether this process may tell the webhook */
  start(sends: boolean): Promise<void>;
  close(): Promise<void>;
}

/** What an alert says is seen by people and models alike: without secrets, and without what nobody sees. */
export function alertBoard(redaction: Redaction): AlertBoard {
  return new AlertBoard({ clock: Date, redact: (text) => redaction.text(visible(text)) });
}

interface AlertingParts {
  board: AlertBoard;
  clusters(): readonly Cluster[];
  /** Read anew for each look; the webhook is that of the start. */
  config(): AlertConfig;
  state: State;
  audit: OwnSources['audit'];
  redis: OwnSources['redis'];
  /** Of the certificate that the service shows its clients, in epoch milliseconds. */
  certificateExpiresAt(): number | undefined;
  /** Tells the sessions of this process. */
  announce(changes: readonly AlertChange[]): void;
  logger: Logger;
}

export function composeAlerting(parts: AlertingParts): Alerting {
  const { board, clusters, config, state, audit, redis, announce, logger, certificateExpiresAt } = parts;
  const own = {
    audit,
    redis,
    state,
    credentials: openCredentials(state),
    config,
    certificateExpiresAt,
    now: Date.now,
  };
  const watch = new AlertWatch({
    board,
    clusters,
    intervalSeconds: config().intervalSeconds,
    config,
    own: async () => lookAtOwn(own),
    clock: Date,
    random: Math.random,
    logger,
  });
  board.onChange((changes) => {
    for (const { event, alert, message } of changes) {
      const { id, kind, severity, cluster } = alert;
      const isOver = event === 'resolved';
      logger[isOver ? 'info' : 'warn']({ alert: id, kind, severity, cluster, message }, `alert ${event}`);
    }
    announce(changes);
  });
  const delivery = deliveryOf(parts);
  return {
    board,
    watch,
    delivery,
    start: async (sends) => {
      // What the webhook knows comes first, or the first look would tell it anew.
      if (sends && config().intervalSeconds > 0) await delivery?.start();
      watch.start();
    },
    close: async () => {
      await watch.close();
      await delivery?.close();
    },
  };
}

function deliveryOf({ board, config, state, logger }: AlertingParts): AlertDelivery | undefined {
  const { webhookUrl: url, webhookSecret: secret } = config();
  if (url === undefined) return undefined;
  return new AlertDelivery({
    board,
    store: new AlertStore(state),
    post: (body, signal) => postOnce({ url, secret }, body, Date.now(), signal),
    holder: randomUUID(),
    newId: randomUUID,
    now: Date.now,
    logger,
  });
}

import type { Clock } from '../../proxmox/breaker.ts';
import {
  type Alert,
  type AlertChange,
  type AlertKind,
  type Finding,
  type Group,
  groupOf,
  idOf,
} from './alert.ts';
import { resolvedText } from './texts.ts';

export interface BoardOptions {
  clock: Clock;
  /** Takes secrets out of what an alert says, before anybody sees it. */
  redact(text: string): string;
}

/** What one look at a group found. */
export interface GroupLook {
  findings: readonly Finding[];
  /** Nodes that could not be asked: what is known of these stays as it is. */
  unread?: ReadonlySet<string>;
}

/** Looks in a row that have to agree before it counts: one lost packet is no outage. */
const HOLDS: Partial<Record<AlertKind, number>> = {
  cluster_down: 2,
  quorum_lost: 2,
  node_offline: 2,
  redis_failing: 2,
};

interface Tracked {
  alert: Alert;
  isActive: boolean;
  /** Looks in a row that found it, and that did not. */
  seen: number;
  missed: number;
}

/**
 * The alerts there are. A condition becomes one when it has held for so many looks, and ends in the same way; how bad
 * it is and what is said of it follow each look.
 */
export class AlertBoard {
  readonly #options: BoardOptions;
  readonly #tracked = new Map<string, Tracked>();
  /** Groups that were looked at, as `cluster/group`. */
  readonly #known = new Set<string>();
  readonly #listeners = new Set<(changes: readonly AlertChange[]) => void>();

  constructor(options: BoardOptions) {
    this.#options = options;
  }

  /** The alerts that hold, the oldest first. */
  active(): readonly Alert[] {
    return [...this.#tracked.values()].flatMap(({ isActive, alert }) => (isActive ? [alert] : []));
  }

  /** How bad an alert is that holds, or is about to. */
  severityOf(finding: Pick<Finding, 'kind' | 'cluster' | 'subject'>): Finding['severity'] | undefined {
    return this.#tracked.get(idOf(finding))?.alert.severity;
  }

  /** Whether it is known that there is no such alert: its group was looked at, and nothing speaks for it. */
  isOver(alert: Alert): boolean {
    return !this.#tracked.has(alert.id) && this.#known.has(keyOf(alert.cluster, groupOf(alert)));
  }

  /** Whether a cluster was looked at since the start. */
  hasLookedAt(cluster: string): boolean {
    return this.#known.has(keyOf(cluster, 'health'));
  }

  /** Takes back what was there before a restart: it holds until a look says otherwise. Tells nobody. */
  restore(alerts: readonly Alert[]): void {
    for (const alert of alerts) {
      if (this.#tracked.has(alert.id)) continue;
      this.#tracked.set(alert.id, { alert, isActive: true, seen: 0, missed: 0 });
    }
  }

  /** @param cluster undefined for the service itself */
  take(cluster: string | undefined, group: Group, { findings, unread = new Set() }: GroupLook): void {
    this.#known.add(keyOf(cluster, group));
    const changes: AlertChange[] = [];
    const found = new Set<string>();
    for (const finding of findings) {
      found.add(idOf(finding));
      changes.push(...this.#found(this.#safe(finding)));
    }
    for (const tracked of [...this.#tracked.values()]) {
      const { alert } = tracked;
      if (alert.cluster !== cluster || groupOf(alert) !== group || found.has(alert.id)) continue;
      if (alert.node !== undefined && unread.has(alert.node)) continue;
      changes.push(...this.#missed(tracked));
    }
    this.#tell(changes);
  }

  /** Ends what is about clusters that are not among these. */
  retain(clusters: readonly string[]): void {
    const names = new Set(clusters);
    const changes: AlertChange[] = [];
    for (const { alert, isActive } of [...this.#tracked.values()]) {
      if (alert.cluster === undefined || names.has(alert.cluster)) continue;
      this.#tracked.delete(alert.id);
      const message = `The cluster ${alert.cluster} is no longer configured: it is not watched any more.`;
      if (isActive) changes.push({ event: 'resolved', alert, message, at: this.#options.clock.now() });
    }
    this.#tell(changes);
  }

  /** @returns takes the listener back */
  onChange(listener: (changes: readonly AlertChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #found(finding: Finding): AlertChange[] {
    const id = idOf(finding);
    const now = this.#options.clock.now();
    const known = this.#tracked.get(id);
    const tracked = known ?? {
      alert: { ...finding, id, since: now, lastSeen: now },
      isActive: false,
      seen: 0,
      missed: 0,
    };
    if (known === undefined) this.#tracked.set(id, tracked);
    const before = tracked.alert;
    tracked.alert = { ...finding, id, since: before.since, lastSeen: now };
    tracked.seen++;
    tracked.missed = 0;
    const { alert } = tracked;
    const told = { alert, message: alert.message, at: now };
    if (tracked.isActive) return before.severity === alert.severity ? [] : [{ event: 'changed', ...told }];
    if (tracked.seen < holdOf(alert.kind)) return [];
    tracked.isActive = true;
    return [{ event: 'raised', ...told }];
  }

  #missed(tracked: Tracked): AlertChange[] {
    const { alert, isActive } = tracked;
    tracked.missed++;
    tracked.seen = 0;
    // What was never told of has nothing to outlast.
    if (isActive && tracked.missed < holdOf(alert.kind)) return [];
    this.#tracked.delete(alert.id);
    if (!isActive) return [];
    return [{ event: 'resolved', alert, message: resolvedText(alert), at: this.#options.clock.now() }];
  }

  #safe(finding: Finding): Finding {
    return { ...finding, message: this.#options.redact(finding.message) };
  }

  #tell(changes: readonly AlertChange[]): void {
    if (changes.length === 0) return;
    for (const listener of [...this.#listeners]) listener(changes);
  }
}

function holdOf(kind: AlertKind): number {
  return HOLDS[kind] ?? 1;
}

function keyOf(cluster: string | undefined, group: Group): string {
  return `${cluster ?? ''}/${group}`;
}

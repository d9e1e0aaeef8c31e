import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { ChangeLog, LogEntry, LogHead, LogPlace, LogStatus } from '../../replicas/change-log.ts';
import { voidPlans } from '../approvals/tables.ts';
import { openState } from '../state.ts';
import { createTables, dumpTables, restoreTables, schemaHash } from '../tables.ts';
import type { StateCopy } from './copy.ts';
import { GapError, reasonOf, unusable } from './problems.ts';

export interface JoiningOptions {
  log: ChangeLog;
  /** STATE_FILE: what the state begins with where Redis has none yet. It is read, and left as it is. */
  path?: string | undefined;
  logger: Logger;
  /** How long replicas that know more are waited for before the log is begun anew, in milliseconds. */
  settleMs: number;
  /** Hears why the copy can not be made that of the log. */
  onProblem(reason: string): void;
}

/** What follows from a place. */
interface Rest {
  entries: LogEntry[];
  /** Whether that is all that the log holds. */
  isWhole: boolean;
}

const ANEW =
  'redis was started anew or lost its data: the shared state begins anew with what this replica knows, and all open approvals are void';

/** Makes a copy that of the log, and begins the log where there is none that can be relied on. */
export class Joining {
  readonly #copy: StateCopy;
  readonly #options: JoiningOptions;
  readonly #log: ChangeLog;
  readonly #schema = schemaHash();

  constructor(copy: StateCopy, options: JoiningOptions) {
    this.#copy = copy;
    this.#options = options;
    this.#log = options.log;
  }

  /**
   * One step of it.
   *
   * @param since when this replica began to join, by `performance.now()`
   * @returns whether the copy is that of the log now; else try again a moment later
   * @throws ConfigError that names REDIS_URL where another version uses it
   */
  async step(status: LogStatus, since: number): Promise<boolean> {
    const { head, server } = status;
    this.#checkSchema(status);
    if (head !== undefined && head.server === server && head.schema === this.#schema) return this.#load(head);
    return this.#beginAnew(status, since);
  }

  #checkSchema({ head, others }: LogStatus): void {
    if (head === undefined || head.schema === this.#schema || others === 0) return;
    throw unusable(
      'other replicas run another version of proxmox-mcp; stop all of them before this one starts',
    );
  }

  /** @returns false where the log was begun anew, or cut, meanwhile */
  async #load({ epoch }: Pick<LogHead, 'epoch'>): Promise<boolean> {
    const { place } = this.#copy;
    if (place?.epoch === epoch) {
      const { entries, isWhole } = await this.#rest(place);
      if (isWhole && this.#applied(entries)) return true;
    }
    const snapshot = await this.#log.snapshot();
    if (snapshot?.epoch !== epoch) return false;
    // All of it first: where Redis is lost meanwhile, what is known here must not be less than before.
    const { entries, isWhole } = await this.#rest(snapshot);
    if (!isWhole) return false;
    this.#copy.restore(snapshot);
    return this.#applied(entries);
  }

  #applied(entries: readonly LogEntry[]): boolean {
    try {
      for (const entry of entries) this.#copy.apply(entry);
      return true;
    } catch (error) {
      if (!(error instanceof GapError)) throw error;
      this.#options.onProblem(reasonOf(error));
      return false;
    }
  }

  async #rest({ epoch, position, last }: LogPlace): Promise<Rest> {
    const entries: LogEntry[] = [];
    let reached = { position, id: last };
    for (;;) {
      const now = await this.#log.place();
      if (now?.epoch !== epoch) return { entries, isWhole: false };
      if (now.position <= reached.position) return { entries, isWhole: now.last === reached.id };
      const more = await this.#log.read(reached.position);
      if (more.length === 0) return { entries, isWhole: false };
      for (const entry of more) {
        if (entry.position !== reached.position + 1 || entry.previous !== reached.id)
          return { entries, isWhole: false };
        entries.push(entry);
        reached = entry;
      }
    }
  }

  /**
   * Begins the log with what the replica that knows most holds: nobody has one yet, Redis lost it, or Redis was
   * started anew and may have lost the end of it.
   */
  async #beginAnew({ head, server }: LogStatus, since: number): Promise<boolean> {
    const { logger, settleMs } = this.#options;
    const copy = this.#copy;
    if (head !== undefined && copy.place?.epoch !== head.epoch) await this.#loadForAnew(head);
    const isFirst = head === undefined && copy.place === undefined;
    // Only others can know what belongs to a head without a body.
    if (head !== undefined && copy.place === undefined) return false;
    const position = copy.place?.position ?? 0;
    const leads = await this.#log.leads(position);
    if (!leads || performance.now() - since < settleMs) return false;
    if (isFirst) this.#takeFile();
    else if (head?.server !== server) voidPlans(copy.database);
    const place = { epoch: randomUUID(), position: position + 1, last: randomUUID() };
    const bytes = dumpTables(copy.database);
    if (!(await this.#log.begin({ ...place, schema: this.#schema, server }, bytes, head?.epoch)))
      return false;
    copy.moveTo(place);
    if (isFirst) logger.info('the shared state begins');
    else if (head?.server !== server) logger.warn({ lost: head === undefined }, ANEW);
    return true;
  }

  /** What Redis still has, for who starts now and can add nothing to it. */
  async #loadForAnew({ epoch, position, schema }: LogHead): Promise<void> {
    const snapshot = await this.#log.snapshot();
    if (snapshot?.epoch !== epoch) return;
    if (schema !== this.#schema && snapshot.position !== position) {
      throw unusable(
        'holds changes of another version of proxmox-mcp: start that version once more, and stop it with SIGTERM',
      );
    }
    const { entries } = await this.#rest(snapshot);
    this.#copy.restore(snapshot);
    this.#applied(entries);
  }

  #takeFile(): void {
    const { path, logger } = this.#options;
    if (path === undefined) return;
    const file = openState(path);
    try {
      createTables(file.database);
      restoreTables(this.#copy.database, dumpTables(file.database));
    } finally {
      void file.close();
    }
    // Where a Redis had taken the file over before, and lost all, an approval of the file may have been used there.
    voidPlans(this.#copy.database);
    logger.info('the shared state begins with that of STATE_FILE, which is not written any more');
  }
}

import { formatUpid } from './upid.ts';

/** What a task does. Everything a real worker process would do between its start and its end. */
export interface Worker {
  /** Refuses the work; what it throws becomes the exit status of a task that ends at once. */
  check?: () => void;
  /** Takes locks and reserves what the work needs. */
  begin?: () => void;
  /** The change itself, visible only when the task ends. What it says goes into the log. */
  end: (say: (line: string) => void) => void;
  /** Undoes `begin` when the task is stopped or its end fails. */
  abort?: () => void;
  log?: string[];
}

export interface TaskOrigin {
  node: string;
  type: string;
  id: string;
  /** `user@realm` or `user@realm!token` */
  owner: string;
}

export interface Task extends TaskOrigin {
  upid: string;
  pid: number;
  pstart: number;
  /** epoch seconds */
  starttime: number;
  endtime?: number;
  exitstatus?: string;
  log: string[];
}

/** How the tasks of a call end other than by themselves. */
export interface TaskOutcome {
  error?: string;
  warnings?: number;
  /** So many lines are in the log before the worker's own. */
  lines?: number;
}

interface Running {
  task: Task;
  outcome: TaskOutcome;
  worker: Worker;
  endsAt: number;
}

/** The tasks of one cluster: those that run, and the archive. */
export class TaskBoard {
  readonly #clock: () => number;
  readonly #duration: number;
  readonly #tasks: Task[] = [];
  readonly #running = new Map<string, Running>();
  #timer: NodeJS.Timeout | undefined;
  #nextPid = 0x1000;
  #outcome: TaskOutcome = {};

  /** @param duration how long a task runs, in ms of `clock` */
  constructor(clock: () => number, duration: number) {
    this.#clock = clock;
    this.#duration = duration;
  }

  /** Starts a worker and returns its UPID, as every asynchronous PVE call does. */
  start(origin: TaskOrigin, worker: Worker): string {
    const now = this.#clock();
    const task = this.#register(origin, Math.floor(now / 1000), worker.log ?? []);
    try {
      worker.check?.();
      worker.begin?.();
    } catch (error) {
      this.#finish(task, error);
      return task.upid;
    }
    const outcome = this.#outcome;
    for (let line = 1; line <= (outcome.lines ?? 0); line += 1) task.log.push(`simulated line ${line}`);
    this.#running.set(task.upid, { task, outcome, worker, endsAt: now + this.#duration });
    this.settle();
    return task.upid;
  }

  /** Every task that is started while `work` runs has this outcome. */
  during<T>(outcome: TaskOutcome, work: () => T): T {
    const before = this.#outcome;
    this.#outcome = outcome;
    try {
      return work();
    } finally {
      this.#outcome = before;
    }
  }

  /** The finished tasks, oldest first; what still runs when a cluster is saved is lost, as by a power cut. */
  saved(): Task[] {
    return this.#tasks.filter((task) => task.endtime !== undefined).map((task) => ({ ...task }));
  }

  restore(tasks: readonly Task[]): void {
    this.#tasks.length = 0;
    for (const task of tasks) {
      this.#tasks.push({ ...task });
      this.#nextPid = Math.max(this.#nextPid, task.pid + 1);
    }
  }

  /** Adds a finished task to the archive: the history a cluster has before anyone talks to it. */
  archive(origin: TaskOrigin, starttime: number, seconds: number, log: string[], error?: string): void {
    const task = this.#register(origin, starttime, log);
    this.#finish(task, error === undefined ? undefined : new Error(error), starttime + seconds);
  }

  /** Ends every task whose time has come. Called by a timer and before each request, so that an injected clock works. */
  settle(): void {
    const now = this.#clock();
    for (const running of [...this.#running.values()]) {
      if (running.endsAt <= now) this.#complete(running);
    }
    this.#schedule(now);
  }

  /** Newest first. */
  list(): Task[] {
    return [...this.#tasks].reverse().sort((a, b) => b.starttime - a.starttime);
  }

  /** A task is known on its own node alone. */
  find(node: string, upid: string): Task | undefined {
    return this.#tasks.find((task) => task.upid === upid && task.node === node);
  }

  stop(task: Task): void {
    const running = this.#running.get(task.upid);
    if (!running) return;
    this.#running.delete(task.upid);
    running.worker.abort?.();
    this.#finish(task, new Error('received interrupt'));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running.clear();
  }

  #register(origin: TaskOrigin, starttime: number, log: string[]): Task {
    const pid = this.#nextPid++;
    const pstart = (pid * 0x51) & 0x7fffffff;
    const upid = formatUpid({ ...origin, pid, pstart, starttime, user: origin.owner });
    const task: Task = { ...origin, upid, pid, pstart, starttime, log: [...log] };
    this.#tasks.push(task);
    return task;
  }

  #complete({ task, worker, outcome }: Running): void {
    this.#running.delete(task.upid);
    try {
      if (outcome.error !== undefined) throw new Error(outcome.error);
      worker.end((line) => task.log.push(line));
      this.#finish(task);
      if (outcome.warnings !== undefined) warn(task, outcome.warnings);
    } catch (error) {
      worker.abort?.();
      this.#finish(task, error);
    }
  }

  #finish(task: Task, error?: unknown, endtime = Math.floor(this.#clock() / 1000)): void {
    const text = error instanceof Error ? error.message : undefined;
    task.endtime = endtime;
    task.exitstatus = text ?? 'OK';
    task.log.push(text === undefined ? 'TASK OK' : `TASK ERROR: ${text}`);
  }

  #schedule(now: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const next = Math.min(...[...this.#running.values()].map((running) => running.endsAt));
    if (!Number.isFinite(next)) return;
    this.#timer = setTimeout(() => this.settle(), Math.max(5, next - now)).unref();
  }
}

function warn(task: Task, count: number): void {
  task.exitstatus = `WARNINGS: ${count}`;
  task.log.splice(-1, 1, `TASK WARNINGS: ${count}`);
}

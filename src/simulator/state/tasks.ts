import { formatUpid } from './upid.ts';

/** What a task does. Everything a real worker process would do between its start and its end. */
export interface Worker {
  /** Refuses the work; what it throws becomes the exit status of a task that ends at once. */
  check?: () => void;
  /** Takes locks and reserves what the work needs. */
  begin?: () => void;
  /** The change itself, visible only when the task ends. */
  end: () => void;
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

interface Running {
  task: Task;
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
    this.#running.set(task.upid, { task, worker, endsAt: now + this.#duration });
    this.settle();
    return task.upid;
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

  #complete({ task, worker }: Running): void {
    this.#running.delete(task.upid);
    try {
      worker.end();
      this.#finish(task);
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

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';

interface ChildOptions {
  args: readonly string[];
  cwd?: string;
  env?: Record<string, string>;
  /** Flags of Node itself. */
  nodeFlags?: readonly string[];
  /** The one core that it may use, where the machine has more than one and `taskset`. */
  core?: number | undefined;
}

/** Whether processes can be bound to cores here: else they share what there is, and the run says so. */
export const canPin: boolean =
  availableParallelism() > 1 && spawnSync('taskset', ['-c', '1', 'true']).status === 0;

const STOP_MS = 15_000;
/** What is kept of its output, to show where it fails. */
const KEPT = 4_000;

/** A Node process of the run's own, with nothing of this process's environment. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #watchers = new Set<(text: string) => void>();
  /** Where the run itself is ended, nothing stays behind. */
  readonly #endWithRun = (): void => void this.#process.kill('SIGTERM');
  #output = '';

  constructor({ args, cwd, env = {}, nodeFlags = [], core }: ChildOptions) {
    const pinned = canPin && core !== undefined ? ['taskset', '-c', String(core)] : [];
    const [program = process.execPath, ...words] = [...pinned, process.execPath, ...nodeFlags, ...args];
    this.#process = spawn(program, words, {
      cwd,
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    process.once('exit', this.#endWithRun);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-KEPT);
        for (const watch of this.#watchers) watch(text);
      });
    }
  }

  /** Hears every line that it prints from now on, until it ends. */
  onLine(listener: (line: string) => void): void {
    let rest = '';
    this.#watchers.add((text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) listener(line);
    });
  }

  /** Waits for a match in what it prints from now on. @throws Error with its last output where it ends before */
  shows(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#orEnds((resolve) => {
      let seen = '';
      const watch = (text: string): void => {
        seen += text;
        const match = pattern.exec(seen);
        if (match) resolve(match);
      };
      this.#watchers.add(watch);
      return () => this.#watchers.delete(watch);
    });
  }

  /** Its next message. @throws Error with its last output where it ends before */
  message(): Promise<unknown> {
    return this.#orEnds((resolve) => {
      this.#process.once('message', resolve);
      return () => this.#process.off('message', resolve);
    });
  }

  /** Sends a message and waits for the answer. */
  async ask(message: object): Promise<unknown> {
    const answer = this.message();
    this.#process.send(message);
    return await answer;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Resident memory now and at its highest, in MB (10^6 bytes), as Linux counts them. */
  async memory(): Promise<{ now: number; peak: number }> {
    const status = await readFile(`/proc/${this.#process.pid}/status`, 'utf8');
    const of = (name: string): number =>
      (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6;
    return { now: of('VmRSS'), peak: of('VmHWM') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#endWithRun);
    if (this.#hasEnded()) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(timer);
  }

  #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** @param wait starts waiting and gives what ends it */
  #orEnds<T>(wait: (resolve: (value: T) => void) => () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (end: () => void): void => {
        stop();
        this.#process.off('exit', fail);
        end();
      };
      const fail = (): void =>
        settle(() => reject(new Error(`a process of the bench ended early:\n${this.#output}`)));
      const stop = wait((value) => settle(() => resolve(value)));
      if (this.#hasEnded()) fail();
      else this.#process.once('exit', fail);
    });
  }
}

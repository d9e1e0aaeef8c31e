import { createHook } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const OURS = /[/\\]src[/\\](?!simulator)[^:]*/;
/** The runner's own files, workers and pipes come and go. */
const COUNTED = /^(?:TCP|TLS|UDP|Timeout|Immediate|GetAddrInfo)/i;
const SETTLE_MS = 3_000;

/**
 * What a piece of work leaves behind in this process: sockets, servers and timers that keep it alive, and timers of
 * the service's own that do not (`unref`), which `process.getActiveResourcesInfo` leaves out.
 */
export class Leftovers {
  readonly #before = census();
  /** Where each timer was set; the stack is made into text for those alone that are left. */
  readonly #timers = new Map<number, Error>();
  readonly #hook = createHook({
    init: (id, type) => {
      if (type === 'Timeout') this.#timers.set(id, new Error());
    },
    destroy: (id) => void this.#timers.delete(id),
    trackPromises: false,
  }).enable();

  /** What is there now and was not at the beginning, after a moment in which closed handles may go. */
  async settled(): Promise<string[]> {
    const until = Date.now() + SETTLE_MS;
    while (this.#left().length > 0 && Date.now() < until) await sleep(10);
    this.#hook.disable();
    return this.#left();
  }

  #left(): string[] {
    const more = [...census()].flatMap(([name, count]) => {
      const extra = count - (this.#before.get(name) ?? 0);
      return extra > 0 ? [`${extra} ${name}`] : [];
    });
    const files = [...this.#timers.values()].map(({ stack }) => startedBy(stack));
    return [...more, ...files.filter((file) => file !== undefined).map((file) => `timer of ${file}`)];
  }
}

function census(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo().filter((found) => COUNTED.test(found)))
    counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** The file of the service that set a timer; undefined for a library's, the simulator's and a test's. */
function startedBy(stack = ''): string | undefined {
  // These can't be stopped; they hold nothing up, and go with their signal.
  if (/AbortSignal\.timeout|Function\.timeout/.test(stack)) return undefined;
  const frames = stack.split('\n').slice(2);
  const first = frames.find((frame) => !/\(?node:|leftovers\.ts/.test(frame));
  return OURS.exec(first ?? '')?.[0];
}

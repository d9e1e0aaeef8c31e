import { STRIKES } from './faults/answers.ts';
import type {
  AnswerFault,
  AnswerFaults,
  ConnectionFault,
  ConnectionFaults,
  Exchange,
  Fault,
  FaultContext,
  FaultOf,
  LastingFault,
  LastingFaults,
  Scope,
} from './faults/kinds.ts';
import { LASTING, type Lasting } from './faults/lasting.ts';

export type { Exchange, Fault, FaultContext, FaultKind, FaultyNode } from './faults/kinds.ts';

export interface FaultHandle {
  /** Resolves when the fault is in force; only faults of nodes and certificates take a moment. */
  ready: Promise<void>;
  /** Resolves when all is as before. Removing twice does nothing. */
  remove: () => Promise<void>;
}

interface Entry {
  fault: Fault;
  left: number;
  struck: number;
  /** Grows by the fault's rate with every call that fits; at one the fault strikes. */
  charge: number;
  undo: (() => void)[];
  lasting?: Lasting;
  timer?: NodeJS.Timeout;
}

/** A fault that a call has drawn, for `strike`. */
export interface Drawn {
  fault: AnswerFault;
  struck: number;
  undo: (() => void)[];
}

const CONNECTION: ReadonlySet<string> = new Set<keyof ConnectionFaults>(['blackhole', 'half-open']);
/** Without a `match` these strike only calls that could start a task. */
const OF_WRITES: ReadonlySet<string> = new Set<keyof AnswerFaults>([
  'task-error',
  'task-warnings',
  'task-log',
]);

/** What goes wrong on purpose, added and removed while the cluster runs. */
export class Faults {
  readonly #entries: Entry[] = [];
  readonly #context: FaultContext | undefined;

  constructor(context?: FaultContext) {
    this.#context = context;
  }

  /** Throws for a fault of a node, guest or storage that the cluster does not have. */
  add(fault: Fault): FaultHandle {
    const entry: Entry = {
      fault,
      left: fault.times ?? Number.POSITIVE_INFINITY,
      struck: 0,
      charge: 0,
      undo: [],
    };
    if (isLasting(fault)) entry.lasting = this.#begin(fault);
    this.#entries.push(entry);
    if (fault.seconds !== undefined) {
      entry.timer = setTimeout(() => void this.#remove(entry), fault.seconds * 1000).unref();
    }
    const ready = entry.lasting?.begun ?? Promise.resolve();
    return { ready, remove: () => this.#remove(entry) };
  }

  /** Removes every fault; resolves when all is as before. */
  async clear(): Promise<void> {
    await Promise.all([...this.#entries].map((entry) => this.#remove(entry)));
  }

  /** The first fault that fits the call, counted as having struck. */
  take(node: string, call: string): Drawn | undefined {
    const dead = this.#entries.find(({ fault }) => isConnection(fault) && onNode(fault, node));
    if (dead) return { fault: { kind: 'hang' }, struck: dead.struck, undo: [] };
    const entry = this.#entries.find((candidate) => {
      return isOfAnswers(candidate.fault) && fits(candidate.fault, node, call) && isDue(candidate);
    });
    if (!entry || !isOfAnswers(entry.fault)) return undefined;
    return { fault: entry.fault, struck: this.#count(entry), undo: entry.undo };
  }

  /** What happens to a new connection to a node. */
  takeConnection(node: string): keyof ConnectionFaults | undefined {
    const entry = this.#entries.find(({ fault }) => isConnection(fault) && onNode(fault, node));
    if (!entry || !isConnection(entry.fault)) return undefined;
    this.#count(entry);
    return entry.fault.kind;
  }

  #begin<Kind extends keyof LastingFaults>(fault: FaultOf<Kind>): Lasting {
    if (!this.#context) throw new Error(`there is no cluster for '${fault.kind}'`);
    return LASTING[fault.kind](fault, this.#context);
  }

  /** @returns how often it had struck before */
  #count(entry: Entry): number {
    const { struck } = entry;
    entry.struck += 1;
    entry.left -= 1;
    // Used up, it strikes no more; what it has done stays until it is removed.
    if (entry.left <= 0) this.#drop(entry);
    return struck;
  }

  #drop(entry: Entry): void {
    const position = this.#entries.indexOf(entry);
    if (position >= 0) this.#entries.splice(position, 1);
  }

  async #remove(entry: Entry): Promise<void> {
    clearTimeout(entry.timer);
    this.#drop(entry);
    const { lasting, undo } = entry;
    delete entry.lasting;
    for (const step of undo.splice(0)) step();
    await lasting?.end();
  }
}

/** Lets a fault happen to a call. */
export async function strike<Kind extends keyof AnswerFaults>(
  { fault, struck, undo }: Omit<Drawn, 'fault'> & { fault: FaultOf<Kind> },
  exchange: Omit<Exchange, 'struck'>,
): Promise<void> {
  const back = await STRIKES[fault.kind](fault, { ...exchange, struck });
  if (back) undo.push(back);
}

function isLasting(fault: Fault): fault is LastingFault {
  return Object.hasOwn(LASTING, fault.kind);
}

function isConnection(fault: Fault): fault is ConnectionFault {
  return CONNECTION.has(fault.kind);
}

function isOfAnswers(fault: Fault): fault is AnswerFault {
  return Object.hasOwn(STRIKES, fault.kind);
}

function onNode({ node }: Scope, at: string): boolean {
  return node === undefined || node === at;
}

/** Spreads a rate evenly: with 0.25 every fourth call is struck, the fourth first. */
function isDue(entry: Entry): boolean {
  entry.charge += entry.fault.rate ?? 1;
  if (entry.charge < 1) return false;
  entry.charge -= 1;
  return true;
}

function fits({ kind, match, node }: Fault, at: string, call: string): boolean {
  if (!onNode(node === undefined ? {} : { node }, at)) return false;
  if (match === undefined) return !(OF_WRITES.has(kind) && call.startsWith('GET '));
  // `search` ignores lastIndex, so that a global RegExp does not skip every second call.
  return match instanceof RegExp ? call.search(match) >= 0 : match(call);
}

import type { Estate } from './estate.ts';
import type { Figure } from './figures.ts';

/** How large a run is. */
export interface Scale {
  clusters: number;
  /** In all clusters together. */
  guests: number;
  /** How often each figure is taken; its median counts. */
  rounds: number;
  /** Calls per round of what is taken over many calls. */
  calls: number;
  /** Idle at once, where that is what is measured. */
  sessions: number;
}

export interface BenchContext {
  scale: Scale;
  /** The simulated clusters, shared by all benches of the run and started when first asked for. */
  estate(): Promise<Estate>;
  /** Closed after the bench, whether it ends well or not, the last one first. */
  use<T extends AsyncDisposable>(resource: T): T;
  /** Where services under test write their CPU profile, where the run was asked for one. */
  profileFolder: string | undefined;
}

/** One bench: a file of its own, listed in run.ts. */
export interface Bench {
  /** For `--only`. */
  name: string;
  /** What it does, in a line for `--list`. */
  about: string;
  run(context: BenchContext): Promise<Figure[]>;
}

/** What a call of a tool came to. */
export interface ToolCalled {
  /** Of a tool that there is. */
  tool: string;
  /** The one cluster that was asked; absent for none and for several. */
  cluster: string | undefined;
  door: string;
  /** `ok`, or the code of the error. */
  outcome: string;
  seconds: number;
  /** Length of the texts of the answer. */
  characters: number;
}

/** What a request to Proxmox VE came to. */
export interface UpstreamAsked {
  cluster: string;
  method: string;
  /** `2xx` and its like, or how it failed. */
  status: string;
  /** From its turn to the whole answer; absent for an upload, which takes as long as its file. */
  seconds?: number;
}

/**
 * Hears what happens, to count it. Every value that is no number is from a closed set, or the name of a configured
 * cluster. No method may throw or take time: they are called on the way of every call.
 */
export interface Observer {
  toolCalled(call: ToolCalled): void;
  /** A tool was called that there is not. */
  unknownTool(door: string): void;
  upstreamAsked(request: UpstreamAsked): void;
  /** The inventory was wanted: from what is kept, or asked for. */
  inventoryRead(cluster: string, result: 'hit' | 'miss'): void;
  /** @param route as it is registered; undefined for an address that there is not */
  requestAnswered(route: string | undefined, status: number): void;
  limitExceeded(limit: string): void;
  loginFailed(): void;
  planChanged(event: string): void;
  jobStarted(cluster: string): void;
  jobEnded(cluster: string, outcome: string): void;
}

/** `2xx`; a status that nobody may send counts as `other`. */
export function statusClass(status: number): string {
  return status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : 'other';
}

const nothing = (): void => undefined;

/** Where nobody counts. */
export const UNOBSERVED: Observer = {
  toolCalled: nothing,
  unknownTool: nothing,
  upstreamAsked: nothing,
  inventoryRead: nothing,
  requestAnswered: nothing,
  limitExceeded: nothing,
  loginFailed: nothing,
  planChanged: nothing,
  jobStarted: nothing,
  jobEnded: nothing,
};

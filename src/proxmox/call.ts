import type { ApiPath } from './api-path.ts';
import type { Ending } from './ending.ts';

export const HTTP_METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

/** A parameter as PVE takes it: booleans are sent as 1/0, arrays as repeated keys. */
export type ParameterValue = string | number | boolean | readonly (string | number | boolean)[];
export type Parameters = Readonly<Record<string, ParameterValue>>;

/** One call to a cluster, as the engine sends it. */
export interface ProxmoxCall {
  method: HttpMethod;
  path: ApiPath;
  parameters: Parameters;
  /** Cancels the call; the socket is closed. */
  signal?: Ending;
  /** The whole call's limit in milliseconds, body included; the engine's default where absent. */
  deadlineMs?: number;
  /** Beside the engine's own credentials: what of the parameters must not come back in the text of an error. */
  secrets?: readonly string[];
  /** The path without its values, such as `/nodes/{node}/qemu`: what a trace says of it. */
  template?: string | undefined;
}

/** What came back: PVE's `data` unchanged, and the fields beside it. */
export interface ProxmoxReply {
  data: unknown;
  /** Length of the whole list where PVE says so (task lists, logs). */
  total?: number;
  /** The diff of what waits to be applied, where PVE says so (the network of a node). */
  changes?: string;
  /** `host:port` that answered. */
  endpoint: string;
}

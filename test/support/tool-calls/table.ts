import type { HttpMethod } from '../../../src/proxmox/call.ts';

export type ToolArguments = Readonly<Record<string, unknown>>;

/** One working call for each tool of a toolset, on the estate that `ToolEstate` prepares. */
export type ToolCallTable = Readonly<Record<string, ToolArguments>>;

/** A call that prepares the estate, on `production` where none is named. */
export interface SetupCall {
  cluster?: string;
  line: `${HttpMethod} /${string}`;
  data?: ToolArguments | (() => Promise<ToolArguments>);
}

/** The clock of the prepared estate stands here while it is prepared, so that names made of times are known. */
export const PREPARED_AT = Date.UTC(2025, 0, 15, 12);

/** A task that was running when the estate was prepared, and one that has ended. */
export const RUNNING_UPID = 'UPID:pve1:00000F01:0004BF51:6787A340:vzdump:100:root@pam:';
export const ENDED_UPID = 'UPID:pve2:00000F02:0004BFA2:6787A340:qmstart:101:root@pam:';

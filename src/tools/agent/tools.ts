import type { Tool } from '../define.ts';

/** The toolset `agent`, in the order in which clients see it. */
export const AGENT_TOOLS: readonly Tool[] = [];

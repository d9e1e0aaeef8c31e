import type { Tool } from '../define.ts';

/** The toolset `ha`, in the order in which clients see it. */
export const HA_TOOLS: readonly Tool[] = [];

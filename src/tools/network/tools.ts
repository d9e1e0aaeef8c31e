import type { Tool } from '../define.ts';

/** The toolset `network`, in the order in which clients see it. */
export const NETWORK_TOOLS: readonly Tool[] = [];

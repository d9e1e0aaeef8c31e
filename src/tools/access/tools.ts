import type { Tool } from '../define.ts';

/** The toolset `access`, in the order in which clients see it. */
export const ACCESS_TOOLS: readonly Tool[] = [];

import type { Tool } from '../define.ts';

/** The toolset `system`, in the order in which clients see it. */
export const SYSTEM_TOOLS: readonly Tool[] = [];

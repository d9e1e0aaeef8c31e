import type { Tool } from '../define.ts';

/** The toolset `between`, in the order in which clients see it. */
export const BETWEEN_TOOLS: readonly Tool[] = [];

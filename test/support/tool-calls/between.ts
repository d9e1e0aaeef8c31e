import type { SetupCall, ToolCallTable } from './table.ts';

export const BETWEEN_SETUP: readonly SetupCall[] = [];

export const BETWEEN_CALLS: ToolCallTable = {};

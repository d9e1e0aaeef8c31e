import type { ToolCallTable } from './table.ts';

export const METRICS_CALLS: ToolCallTable = {
  get_metrics: { cluster: 'production', vmid: 100 },
  list_alerts: {},
};

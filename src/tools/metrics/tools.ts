import type { Tool } from '../define.ts';
import { getMetrics } from './get-metrics.ts';
import { listAlerts } from './list-alerts.ts';

/** The toolset `metrics`, in the order in which clients see it. */
export const METRICS_TOOLS: readonly Tool[] = [getMetrics, listAlerts];

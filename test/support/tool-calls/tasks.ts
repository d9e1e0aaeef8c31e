import { ENDED_UPID, RUNNING_UPID, type ToolCallTable } from './table.ts';

const cluster = 'production';

export const TASKS_CALLS: ToolCallTable = {
  list_tasks: {},
  list_jobs: {},
  get_task: { cluster, upid: ENDED_UPID },
  wait_task: { cluster, upid: ENDED_UPID, wait_seconds: 1 },
  get_task_log: { cluster, upid: ENDED_UPID },
  stop_task: { cluster, upid: RUNNING_UPID },
};

import type { Tool } from '../define.ts';
import { getTask } from './get-task.ts';
import { getTaskLog } from './get-task-log.ts';
import { listJobs } from './list-jobs.ts';
import { listTasks } from './list-tasks.ts';
import { stopTask } from './stop-task.ts';
import { waitTask } from './wait-task.ts';

/** The toolset `tasks`, in the order in which clients see it. */
export const TASKS_TOOLS: readonly Tool[] = [listTasks, listJobs, getTask, waitTask, getTaskLog, stopTask];

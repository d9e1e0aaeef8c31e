import type { Logger } from 'pino';
import { openSharedState } from '../access/shared-state.ts';
import { openState, type State } from '../access/state.ts';
import type { Config } from '../config/config.ts';
import { RedisChangeLog } from '../replicas/change-log.ts';
import type { SharedRedis } from '../replicas/redis.ts';

/**
 * The state of the service: what the replicas share where they share something, else STATE_FILE, else memory.
 *
 * @param redis from `openReplicas`; outlives the state
 * @throws ConfigError that names STATE_FILE or REDIS_URL
 */
export async function openServiceState(
  { stateFile }: Pick<Config, 'stateFile'>,
  redis: SharedRedis | undefined,
  logger: Logger,
): Promise<State> {
  if (redis === undefined) return openState(stateFile);
  return openSharedState({ log: new RedisChangeLog(redis), path: stateFile, logger });
}

/**
 * The state that the service keeps, for one piece of work of a command.
 *
 * @returns what the work returned; undefined where neither REDIS_URL nor STATE_FILE is set: then it is not called
 * @throws ConfigError that names STATE_FILE or REDIS_URL; what the work throws
 */
export async function withServiceState<T>(
  config: Pick<Config, 'stateFile' | 'redisUrl'>,
  work: (state: State) => Promise<T>,
): Promise<{ done: T } | undefined> {
  const { stateFile, redisUrl } = config;
  if (stateFile === undefined && redisUrl === undefined) return undefined;
  const [{ default: pino }, { connectRedis }] = await Promise.all([
    import('pino'),
    import('../replicas/redis.ts'),
  ]);
  // What goes wrong is thrown, and said once.
  const logger = pino({ level: 'silent' });
  const redis = redisUrl && connectRedis(redisUrl.reveal(), logger);
  try {
    const state = await openServiceState(config, redis, logger);
    try {
      return { done: await work(state) };
    } finally {
      await state.close();
    }
  } finally {
    redis?.close();
  }
}

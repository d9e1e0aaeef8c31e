import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { ReplicaBus } from '../replicas/bus.ts';
import { QuickRedis } from '../replicas/quick-redis.ts';
import type { SharedRedis } from '../replicas/redis.ts';
import { ReplicaRegistry } from '../replicas/registry.ts';
import { SharedAnswers } from '../replicas/shared-answers.ts';

/** What this process has in common with other replicas. */
export interface Replicas {
  redis: SharedRedis;
  quick: QuickRedis;
  registry: ReplicaRegistry;
  answers: SharedAnswers;
  bus: ReplicaBus;
}

/** A Redis that is there answers within milliseconds; one that is not must not keep reads from being served. */
const FIRST_MS = 2000;

/** Connects to REDIS_URL; undefined where this process is the only one. Waits for Redis two seconds at most. */
export async function openReplicas({ redisUrl }: Config, logger: Logger): Promise<Replicas | undefined> {
  if (redisUrl === undefined) return undefined;
  // Imported here and not above: a service that is alone should not load a client of Redis when it starts.
  const { connectRedis } = await import('../replicas/redis.ts');
  const redis = connectRedis(redisUrl.reveal(), logger);
  const quick = new QuickRedis(redis);
  await firstConnection(redis);
  return {
    redis,
    quick,
    registry: new ReplicaRegistry({ redis, logger }),
    answers: new SharedAnswers(quick),
    bus: new ReplicaBus(redis),
  };
}

async function firstConnection(redis: SharedRedis): Promise<void> {
  if (redis.isUp()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, FIRST_MS);
  const stop = redis.onChange(() => resolve());
  await promise;
  clearTimeout(timer);
  stop();
}

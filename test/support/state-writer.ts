// Another replica, as a process of its own: it revokes `name-0`, `name-1`, … and says each that was taken.
import pino from 'pino';
import { Revocations } from '../../src/access/revocations.ts';
import { openSharedState } from '../../src/access/shared-state.ts';
import { RedisChangeLog } from '../../src/replicas/change-log.ts';
import { connectRedis } from '../../src/replicas/redis.ts';

const [url = '', name = ''] = process.argv.slice(2);
const logger = pino({ level: 'silent' });
const state = await openSharedState({ log: new RedisChangeLog(connectRedis(url, logger)), logger });
const revocations = new Revocations(state);
for (let index = 0; ; index += 1) {
  await revocations.revoke({ credential: `${name}-${index}` });
  process.stdout.write(`${name}-${index}\n`);
}

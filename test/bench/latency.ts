import { Pool } from 'undici';
import type { Bench } from './bench.ts';
import { figure, quantile, timed, times, WARM_CALLS } from './figures.ts';
import { modern, ONE_READ, productionService } from './production.ts';
import { RawConnection } from './raw-http.ts';
import { STATUS_PATH, Upstream } from './upstream.ts';

const CALLS = 1_000;
const GOAL_P50_MS = 0.6;
const GOAL_P99_MS = 5;

/**
 * What the service adds to a call, one at a time: the time of a tools/call minus that of the request it makes, made by
 * undici over a connection that stays open, as the service makes it.
 */
export const latency: Bench = {
  name: 'latency',
  about: 'what the service adds to one upstream request, one call at a time',
  async run(context) {
    const upstream = context.use(await Upstream.start());
    const service = context.use(await productionService(upstream, context));
    const connection = await RawConnection.open(service.port);
    const pool = new Pool(`https://${upstream.access.url}`, {
      connections: 1,
      connect: { rejectUnauthorized: false },
    });
    const { message, headers } = modern(ONE_READ.method, ONE_READ.params);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, ...message });
    const lines = Object.entries({ ...headers, authorization: `Bearer ${service.token}` });
    const request = [
      'POST /mcp HTTP/1.1',
      'host: localhost',
      'content-type: application/json',
      'accept: application/json, text/event-stream',
      ...lines.map(([name, value]) => `${name}: ${value}`),
      `content-length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n');
    const call = async (): Promise<void> => {
      const answer = await connection.send(request);
      if (answer.status !== 200 || answer.body.includes('"isError":true'))
        throw new Error(answer.body.toString());
    };
    const raw = async (): Promise<void> => {
      const { body: answer } = await pool.request({
        method: 'GET',
        path: `/api2/json${STATUS_PATH}`,
        headers: { authorization: upstream.authorization },
      });
      await answer.json();
    };
    try {
      for (const work of [raw, call]) await times(WARM_CALLS, work);
      const rounds = await times(context.scale.rounds, async () => ({
        raw: await times(CALLS, () => timed(raw)),
        call: await times(CALLS, () => timed(call)),
      }));
      return [0.5, 0.99].map((share) => {
        const direct = rounds.map((round) => quantile(round.raw, share));
        const added = rounds.map((round, index) => quantile(round.call, share) - (direct[index] ?? 0));
        const [name, goal] = share === 0.5 ? ['p50', GOAL_P50_MS] : ['p99', GOAL_P99_MS];
        return figure(`added to a call, ${name}`, 'ms', added, {
          goal: Number(goal),
          baseline: { name: `the request alone, ${name}`, rounds: direct },
        });
      });
    } finally {
      connection.close();
      await pool.close();
    }
  },
};

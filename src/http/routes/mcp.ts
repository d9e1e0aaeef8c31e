import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ClusterDirectory } from '../../clusters/cluster.ts';
import { rpcError } from '../../mcp/messages.ts';
import type { AppParts } from '../parts.ts';
import { takeOver } from '../take-over.ts';
import { withinRequest } from '../within-request.ts';

type ClusterRoute = { Params: { cluster?: string } };

/** `/mcp` for all clusters and `/mcp/{cluster}` for one: Streamable HTTP with sessions, and the stateless revision. */
export function mcpRoutes(app: FastifyInstance, { clusters, streamable, tracing }: AppParts): void {
  const doors = { POST: streamable.post, GET: streamable.get, DELETE: streamable.delete } as const;

  async function serve(request: FastifyRequest<ClusterRoute>, reply: FastifyReply) {
    const directory = directoryOf(request.params.cluster);
    if (!directory) {
      const known = clusters.list().map((cluster) => cluster.name);
      return reply.code(404).send(rpcError(-32001, `No such cluster; there are: ${known.join(', ')}.`));
    }
    const open = doors[request.method as keyof typeof doors];
    await withinRequest(tracing, request, reply, () =>
      open.call(streamable, takeOver(request, reply, directory)),
    );
  }

  function directoryOf(cluster: string | undefined): ClusterDirectory | undefined {
    return cluster === undefined ? clusters : clusters.scopedTo(cluster);
  }

  for (const url of ['/mcp', '/mcp/:cluster'])
    app.route({ method: ['POST', 'GET', 'DELETE'], url, exposeHeadRoute: false, handler: serve });
}

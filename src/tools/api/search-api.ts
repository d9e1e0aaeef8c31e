import { z } from 'zod';
import { searchApi as search } from '../../catalogue/search.ts';
import { RISKS } from '../../catalogue/types.ts';
import { defineTool } from '../define.ts';
import { clusterParam, limitParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { count } from '../results.ts';

export const searchApi = defineTool({
  name: 'search_api',
  title: 'Search API',
  description: 'Finds API methods by words of their path, name or description, typos forgiven.',
  toolset: 'api',
  isAlwaysOn: true,
  withoutCluster: 'any',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  calls: [],
  input: z.strictObject({
    query: textParam().describe('Such as "resize disk".'),
    cluster: clusterParam,
    limit: limitParam(10, 50),
  }),
  output: z.object({
    ...selectedFields,
    catalogue: z.string().describe('Which description of the API was searched.'),
    methods: z.array(
      z.object({ method: z.string(), path: z.string(), summary: z.string(), risk: z.enum(RISKS) }),
    ),
  }),
  async run({ cluster: name, query, limit }, context) {
    const cluster = context.cluster(name);
    const catalogue = await cluster.catalogue();
    return {
      ...selectionOf(cluster),
      catalogue: catalogue.label,
      methods: search(catalogue, query, { limit }),
    };
  },
  summary({ methods, catalogue }) {
    const names = methods.map(({ method, path }) => `${method} ${path}`).join(', ');
    return `${count(methods.length, 'method')} found in ${catalogue}${names ? `: ${names}` : ''}.`;
  },
});

import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { describeMethod, type MethodDescription } from '../../catalogue/describe.ts';
import { findParameter, nearestParameters } from '../../catalogue/parameter-lookup.ts';
import { requiredPrivileges } from '../../catalogue/permissions.ts';
import { RISKS } from '../../catalogue/types.ts';
import { HTTP_METHODS } from '../../proxmox/call.ts';
import { CallError } from '../../proxmox/errors.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { count } from '../results.ts';

export const describeApi = defineTool({
  name: 'describe_api',
  title: 'Describe API',
  description: 'Tells what an API method takes and returns, its risk, and the privileges it needs.',
  toolset: 'api',
  isAlwaysOn: true,
  withoutCluster: 'any',
  annotations: READS,
  calls: [['GET', '/access/permissions']],
  input: z.strictObject({
    path: textParam().describe('As search_api gives it.'),
    method: z.enum(HTTP_METHODS).default('GET'),
    cluster: clusterParam,
    parameters: z
      .array(textParam())
      .min(1)
      .refine((names) => names.length <= 50, 'are more than 50')
      .optional()
      .describe('These alone, with their keys.'),
  }),
  output: z.object({
    ...selectedFields,
    catalogue: z.string().describe('Which description of the API this comes from.'),
    method: z.enum(HTTP_METHODS),
    path: z.string(),
    description: z.string(),
    risk: z.enum(RISKS),
    risks: z.array(z.enum(RISKS)),
    privileges: z.string(),
    token_has_them: z.enum(['yes', 'no', 'unknown']),
    missing_privileges: z.array(z.string()).optional(),
    parameters: z.array(z.looseObject({ name: z.string() })),
    returns: z.looseObject({ text: z.string() }),
    returns_task: z.boolean().describe('It answers with a UPID, which wait_task follows.'),
  }),
  async run({ path, method, cluster: name, parameters }, context) {
    const cluster = context.cluster(name);
    const catalogue = await cluster.catalogue();
    const found = describeMethod(catalogue, method, path, parameters);
    if (!found) throw notThere(catalogue, method, path);
    refuseUnknown(parameters, catalogue, found);
    const { description, risk, risks, privileges, returns, returns_task } = found;
    return {
      ...selectionOf(cluster),
      catalogue: catalogue.label,
      method,
      path: found.path,
      description,
      risk,
      risks: [...risks],
      privileges,
      ...(await rights(cluster, catalogue, path, found)),
      parameters: found.parameters.map((parameter) => ({ ...parameter })),
      returns: { ...returns },
      returns_task,
    };
  },
  summary({ method, path, description, parameters, risk, privileges, token_has_them }) {
    const having = {
      yes: 'which the token has',
      no: 'which the token lacks',
      unknown: 'which depends on the call',
    };
    return `${method} ${path}: ${description} ${count(parameters.length, 'parameter')}; risk ${risk}; needs ${privileges}, ${having[token_has_them]}.`;
  },
});

/** Whether the cluster's own token may make the call. A cluster that does not answer leaves it unknown. */
async function rights(cluster: GatedCluster, catalogue: Catalogue, path: string, found: MethodDescription) {
  const permissions = catalogue.get(found.method, found.path)?.permissions;
  const values = catalogue.match(found.method, path)?.pathParameters ?? {};
  try {
    const { verdict, missing } = requiredPrivileges(permissions, values, await cluster.permissions());
    if (verdict === 'has') return { token_has_them: 'yes' as const };
    if (verdict === 'unknown') return { token_has_them: 'unknown' as const };
    const missing_privileges = missing.map(
      (need) => `${need.privileges.join(need.any ? ' or ' : ' and ')} on ${need.path}`,
    );
    return { token_has_them: 'no' as const, missing_privileges };
  } catch (error) {
    if (error instanceof CallError) return { token_has_them: 'unknown' as const };
    throw error;
  }
}

/** @throws CallError INVALID_ARGUMENTS naming the nearest: a misspelt name must not read as "no parameters". */
function refuseUnknown(
  asked: readonly string[] | undefined,
  catalogue: Catalogue,
  found: MethodDescription,
): void {
  const method = catalogue.get(found.method, found.path);
  const unknown = asked?.filter((name) => method && findParameter(method, name) === undefined) ?? [];
  if (unknown.length === 0 || !method) return;
  const near = [...new Set(unknown.flatMap((name) => nearestParameters(method, name)))];
  throw new CallError('INVALID_ARGUMENTS', `${found.method} ${found.path} takes no ${unknown.join(', ')}.`, {
    hint: near.length > 0 ? `Did you mean ${near.join(', ')}?` : 'Leave `parameters` out to see all.',
  });
}

function notThere(catalogue: Catalogue, method: (typeof HTTP_METHODS)[number], path: string): CallError {
  const verbs = catalogue.verbs(path);
  const near = catalogue.nearest(method, path, 3).map((candidate) => `${candidate.method} ${candidate.path}`);
  return new CallError('NOT_FOUND', `${method} ${path} is not in ${catalogue.label}.`, {
    hint:
      verbs.length > 0
        ? `That path takes ${verbs.join(', ')}.`
        : `Nearest: ${near.join('; ') || 'none; use search_api'}.`,
  });
}

import type { Catalogue } from '../catalogue/catalogue.ts';
import { type RiskAssessment, riskOfCall } from '../catalogue/risk.ts';
import type { CallProblem } from '../catalogue/types.ts';
import { verifyCall } from '../catalogue/verify.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { ApiPath } from '../proxmox/api-path.ts';
import type { HttpMethod, Parameters } from '../proxmox/call.ts';
import { CallError } from '../proxmox/errors.ts';
import { toParameters } from './parameters.ts';

/** A call as a tool asked for it, before anything about it is certain. */
export interface AskedCall {
  method: HttpMethod;
  path: ApiPath;
  data?: Readonly<Record<string, unknown>> | undefined;
}

/** The risks of a call by its method and parameters. What the catalogue does not know counts as the worst. */
export function riskOfRequest(catalogue: Catalogue, { method, path, data }: AskedCall): RiskAssessment {
  const template = catalogue.match(method, path.wire)?.method.path ?? path.toString();
  return riskOfCall(method, template, data ?? {});
}

/** The parameters as Proxmox takes them; verified, unless the cluster is configured otherwise. @throws CallError */
export function encodedFor({ config }: Cluster, catalogue: Catalogue, call: AskedCall): Parameters {
  return config.validate ? verified(catalogue, call) : toParameters(call.data);
}

/**
 * Holds a call against the cluster's API and encodes its parameters as Proxmox wants them.
 *
 * The built-in catalogue is older than many hosts: what it does not know is left for Proxmox itself to judge, while
 * what it does know is verified.
 *
 * @throws CallError NOT_FOUND for a path or method that does not exist, with the nearest ones; INVALID_ARGUMENTS with
 *   everything that is wrong with the parameters at once.
 */
export function verified(catalogue: Catalogue, { method, path, data = {} }: AskedCall): Parameters {
  const result = verifyCall(catalogue, method, path.wire, data);
  if (result.ok) return result.encoded;
  const mattering = catalogue.source === 'built-in' ? result.problems.filter(isCertain) : result.problems;
  if (mattering.length === 0) return toParameters(data);
  const unknown = mattering.find((problem) => problem.parameter === undefined);
  if (unknown) {
    throw new CallError('NOT_FOUND', `${method} ${path} ${unknown.problem}; nothing was sent.`, {
      hint: unknown.hint ?? 'Find the method with search_api.',
    });
  }
  const list = mattering.map(inWords).join('; ');
  throw new CallError('INVALID_ARGUMENTS', `These parameters do not fit: ${list}. Nothing was sent.`, {
    hint: 'Correct all of them at once; describe_api tells what the method takes.',
  });
}

function isCertain({ parameter, problem }: CallProblem): boolean {
  return parameter !== undefined && !problem.startsWith('is not a parameter');
}

function inWords({ parameter, problem, hint }: CallProblem): string {
  return `${parameter} ${problem}${hint ? ` (${hint})` : ''}`;
}

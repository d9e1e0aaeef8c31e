import type { ApiMethod, ReturnSchema } from '../../src/catalogue/types.ts';
import { Api } from '../../src/simulator/api.ts';
import { ApiError } from '../../src/simulator/errors.ts';
import { type ClusterSpec, DEMO_ESTATE } from '../../src/simulator/estate.ts';
import type { Operation } from '../../src/simulator/generic/operation.ts';
import { Listing, type Method } from '../../src/simulator/methods/method.ts';
import type { ApiSchema } from '../../src/simulator/schema/api-schema.ts';
import { methodKey } from '../../src/simulator/schema/tree.ts';
import { buildState } from '../../src/simulator/state/build-state.ts';
import type { ClusterState } from '../../src/simulator/state/cluster-state.ts';
import { verifyParameters } from '../../src/simulator/verify.ts';
import { plausibleParameters, plausiblePath } from './plausible.ts';
import type { Difference } from './simulator-declared.ts';

interface CallsReport {
  figures: {
    methods: number;
    own: number;
    generic: number;
    unrouted: number;
    answered: number;
    refused: number;
  };
  differences: Difference[];
}

const ROOT = { id: 'root@pam', user: 'root@pam' };
/** What PVE refuses with, by its own choice: parameters, login, permission, notification targets, everything else. */
const REFUSALS = [400, 401, 403, 404, 500];
/** What JavaScript leaves in a text where the simulator has lost its way. */
const LOST = /\bundefined\b|\[object |\bNaN\b|TypeError|is not (?:a function|iterable)/;

/** Loads a schema as a simulated cluster would, and calls every method of it once, each on a fresh estate. */
export function checkCalls(schema: ApiSchema, methods: readonly Method[]): CallsReport {
  const api = new Api(schema, methods);
  const operations = new Map(api.operations.map((operation) => [methodKey(operation), operation]));
  const figures = { methods: 0, own: 0, generic: 0, unrouted: 0, answered: 0, refused: 0 };
  const differences: Difference[] = [];
  for (const method of schema.methods) {
    figures.methods += 1;
    const operation = operations.get(methodKey(method));
    const outcome = operation ? callOnce(api, operation) : { problem: 'has no operation' };
    if (operation) figures[operation.handler ? 'own' : 'generic'] += 1;
    if ('answered' in outcome) figures[outcome.answered ? 'answered' : 'refused'] += 1;
    if ('unrouted' in outcome) figures.unrouted += 1;
    if (outcome.problem !== undefined) {
      differences.push({ kind: 'call', line: `${methodKey(method)}: ${outcome.problem}` });
    }
  }
  return { figures, differences };
}

interface Outcome {
  answered?: boolean;
  unrouted?: true;
  problem?: string;
}

function callOnce(api: Api, operation: Operation): Outcome {
  const given = plausibleParameters(operation);
  try {
    verifyParameters(operation.parameters, given, operation.additionalProperties);
  } catch (error) {
    return { problem: `no valid parameters were found: ${JSON.stringify(errorsOf(error))}` };
  }
  const verb = operation.method;
  const path = plausiblePath(operation, given);
  const beside = Object.entries(given).filter(([name]) => !operation.path.includes(`{${name}}`));
  if (api.find(verb, path)?.path !== operation.path) {
    return { unrouted: true, problem: `${path} leads to ${api.find(verb, path)?.path ?? 'a 501'}` };
  }
  const state = freshState();
  try {
    const request = { verb, path, given: Object.fromEntries(beside), identity: ROOT, localNode: 'pve1' };
    const answer = api.call(state, request);
    const problem = answerProblem(operation, answer) ?? taskProblem(state);
    return { answered: true, ...(problem === undefined ? {} : { problem }) };
  } catch (error) {
    return refusalOutcome(error);
  }
}

function freshState(): ClusterState {
  const [spec] = DEMO_ESTATE as [ClusterSpec];
  return buildState(spec, { clock: Date.now, taskSeconds: 0 });
}

function refusalOutcome(error: unknown): Outcome {
  if (!(error instanceof ApiError)) return { problem: `crashes: ${String(error)}` };
  if (error.status === 501) return { unrouted: true, problem: 'answers 501' };
  const text = `${error.message} ${Object.values(error.errors ?? {}).join(' ')}`;
  if (!REFUSALS.includes(error.status) || LOST.test(text)) {
    return { problem: `answers ${error.status} ${text}` };
  }
  return { answered: false };
}

function errorsOf(error: unknown): unknown {
  return error instanceof ApiError ? error.errors : String(error);
}

/** What is wrong with an answer, as it would go over the wire. */
function answerProblem({ returns }: ApiMethod, answer: unknown): string | undefined {
  const data: unknown = answer instanceof Listing ? answer.rows : (answer ?? null);
  const text = JSON.stringify(data);
  if (text === undefined || LOST.test(text)) return `answers ${text}`;
  const given = typeOf(data);
  return returns?.type === undefined || fitsType(returns, given)
    ? undefined
    : `answers ${given} where the schema says ${returns.type}`;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** Perl has one type for texts and numbers. */
const SCALARS = ['string', 'integer', 'number', 'boolean'];

function fitsType({ type = 'any', optional }: ReturnSchema, given: string): boolean {
  if (type === 'any' || type === given) return true;
  if (given === 'null') return Boolean(optional);
  return SCALARS.includes(type) && SCALARS.includes(given);
}

/** A crash within a task ends the task, and the call knows nothing of it. */
function taskProblem({ tasks }: ClusterState): string | undefined {
  const lost = tasks.list().find(({ exitstatus = '' }) => LOST.test(exitstatus));
  return lost && `its task ends in: ${lost.exitstatus}`;
}

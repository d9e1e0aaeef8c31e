import { z } from 'zod';
import { CallError } from '../proxmox/errors.ts';
import type { PreparedCall, Tool } from '../tools/define.ts';

/** No tool takes as many; more of them are not worth naming one by one. */
const MOST_ARGUMENTS = 64;
/** A list with ten thousand wrong members is told as well by the first ones. */
const MOST_PROBLEMS = 20;
/** Of a refusal: the names in it are the caller's, and may be of any length. */
const MOST_CHARACTERS = 4_000;

/**
 * Holds the arguments of a call against what its tool takes. Some clients send `null` for arguments they leave out, so
 * `null` counts as absent.
 *
 * @throws CallError INVALID_ARGUMENTS with everything that is wrong at once
 */
export function prepare(tool: Tool, args: unknown): PreparedCall {
  const given = typeof args === 'object' && args !== null && !Array.isArray(args) ? args : {};
  if (Object.keys(given).length > MOST_ARGUMENTS) {
    throw new CallError('INVALID_ARGUMENTS', `A call takes at most ${MOST_ARGUMENTS} arguments.`, {
      hint: 'Parameters of an API method belong into `data`. Nothing was sent.',
    });
  }
  const hasNull = Object.values(given).includes(null);
  const present = hasNull
    ? Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
    : given;
  try {
    return tool.prepare(present);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    throw new CallError('INVALID_ARGUMENTS', `The arguments do not fit: ${problemsOf(error, present)}.`, {
      hint: `${tool.name} takes: ${Object.keys(tool.input.shape).join(', ') || 'no arguments'}. Nothing was sent.`,
      cause: error,
    });
  }
}

function problemsOf({ issues }: z.ZodError, given: unknown): string {
  const problems = issues
    .slice(0, MOST_PROBLEMS)
    .map((issue) => {
      const { path, message } = issue;
      if (path.length === 0) return message;
      const name = path.join('.');
      if (!isMissing(issue, given)) return `${name}: ${message}`;
      const wanted = issue.code === 'invalid_type' ? '' : `: ${message.replace(/^Invalid \w+: /, '')}`;
      return `${name} is required${wanted}`;
    })
    .join('; ');
  const text = problems.length > MOST_CHARACTERS ? `${problems.slice(0, MOST_CHARACTERS)}…` : problems;
  const left = issues.length - MOST_PROBLEMS;
  return left > 0 ? `${text}; and ${left} more` : text;
}

/** Zod says of what is absent that it is of the wrong type. A check of the tool's own may name it for another reason. */
function isMissing({ code, path }: z.core.$ZodIssue, given: unknown): boolean {
  if (code !== 'invalid_type' && code !== 'invalid_value' && code !== 'invalid_union') return false;
  const inside = (value: unknown, key: PropertyKey): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return path.reduce<unknown>(inside, given) === undefined;
}

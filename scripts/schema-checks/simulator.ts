import { Catalogue } from '../../src/catalogue/catalogue.ts';
import { compareSchema } from '../../src/catalogue/compare.ts';
import { Api } from '../../src/simulator/api.ts';
import type { Method } from '../../src/simulator/methods/method.ts';
import { METHODS } from '../../src/simulator/methods/table.ts';
import { type ApiSchema, builtInSchema } from '../../src/simulator/schema/api-schema.ts';
import type { CheckReport } from './catalogue.ts';
import { checkCalls } from './simulator-calls.ts';
import { checkDeclared, type Difference } from './simulator-declared.ts';
import { EXCEPTIONS, type Exception } from './simulator-exceptions.ts';

/**
 * Holds the simulator against an official schema: it serves every method of it, each answers as PVE would, and
 * what handlers declare themselves is as the schema has it, but for the exceptions.
 */
export function checkSimulator(
  schema: ApiSchema,
  methods: readonly Method[] = METHODS,
  exceptions: readonly Exception[] = EXCEPTIONS,
): CheckReport {
  const { figures: declared, differences } = checkDeclared(methods, schema.methods);
  const { figures: calls, differences: wrong } = checkCalls(schema, methods);
  const found: Difference[] = [...wrong, ...differences];
  const expected = exceptions.filter(({ of }) => of === 'any' || of === generationOf(schema));
  const isExpected = ({ line }: Difference): boolean => expected.some(({ lines }) => lines.test(line));
  const count = (kind: Difference['kind']): string => {
    const all = found.filter((difference) => difference.kind === kind);
    const excused = all.filter(isExpected).length;
    return `${all.length - excused} ${kind}${excused > 0 ? ` (and ${excused} of another version)` : ''}`;
  };
  const unused = expected.filter(({ lines }) => !found.some(({ line }) => lines.test(line)));
  return {
    title: 'simulator',
    figures: [
      `${calls.methods} methods: ${calls.own} with handlers of their own, ${calls.generic} served generically, ${calls.unrouted} answer 501`,
      `each called once as root@pam on a fresh estate: ${calls.answered} answered, ${calls.refused} refused in PVE's way, ${wrong.length} wrong`,
      `handlers declare ${methods.length} methods: ${count('method invented')}`,
      `and ${declared.parameters} parameters: ${count('parameter invented')}, ${count('parameter differing')}`,
      `and ${declared.permissions} permissions, and leave ${declared.left} to the schema: ${count('permission differing')}`,
      defaultFigure(schema),
    ],
    differences: [
      ...found.filter((difference) => !isExpected(difference)).map(({ line }) => line),
      ...unused.map(({ lines }) => `the exception ${String(lines)} excuses nothing`),
    ],
  };
}

function generationOf({ methods }: ApiSchema): Exception['of'] {
  return methods.some(({ path }) => path === '/cluster/ha/rules') ? '9.x' : '8.x';
}

/** Without a schema given, the simulator serves the built-in one and what handlers add: a figure, not a fault. */
function defaultFigure(schema: ApiSchema): string {
  const official = catalogueOf(schema);
  const { unknown, parameters } = compareSchema(official, catalogueOf(new Api(builtInSchema()).schema));
  const lacking = parameters.filter((line) => line.endsWith('is not known')).length;
  return `without --schema it lacks ${unknown.length} of these methods, and ${lacking} parameters of the others`;
}

function catalogueOf({ methods, label }: ApiSchema): Catalogue {
  return new Catalogue({ source: 'file', label, methods });
}

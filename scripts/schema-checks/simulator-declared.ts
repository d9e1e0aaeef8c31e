import { findParameter } from '../../src/catalogue/parameter-lookup.ts';
import type { ApiMethod, ParameterSchema as OfficialParameter } from '../../src/catalogue/types.ts';
import type { Method } from '../../src/simulator/methods/method.ts';
import { methodKey } from '../../src/simulator/schema/tree.ts';
import type { ParameterSchema } from '../../src/simulator/verify.ts';
import { permissionText } from './permission-text.ts';

/** `invented`: a method or parameter that the schema does not have; `differing`: one that it has otherwise. */
export interface Difference {
  kind: 'method invented' | 'parameter invented' | 'parameter differing' | 'permission differing' | 'call';
  line: string;
}

interface DeclaredReport {
  figures: { parameters: number; permissions: number; left: number };
  differences: Difference[];
}

/** Holds what handlers declare themselves against a schema: methods, parameters, permissions. */
export function checkDeclared(methods: readonly Method[], official: readonly ApiMethod[]): DeclaredReport {
  const known = new Map(official.map((method) => [methodKey(method), method]));
  const left = methods.filter(isLeft).length;
  return {
    figures: {
      parameters: methods.reduce((sum, { properties = {} }) => sum + Object.keys(properties).length, 0),
      permissions: methods.length - left,
      left,
    },
    differences: methods.flatMap((method) => differencesOf(method, known.get(methodKey(method)))),
  };
}

function differencesOf(own: Method, official: ApiMethod | undefined): Difference[] {
  const title = methodKey(own);
  if (!official) return [{ kind: 'method invented', line: `${title}: only the simulator has it` }];
  const parameters = Object.entries(own.properties ?? {}).flatMap(([name, schema]): Difference[] => {
    const found = officialParameter(official, name);
    if (!found) return [{ kind: 'parameter invented', line: `${title}: ${name} is invented` }];
    const difference = parameterDifference(schema, found);
    if (difference === undefined) return [];
    return [{ kind: 'parameter differing', line: `${title}: ${name} ${difference}` }];
  });
  const permissions = isLeft(own) ? [] : permissionDifferences(own, official);
  return [
    ...parameters,
    ...permissions.map((text): Difference => ({ kind: 'permission differing', line: `${title}: ${text}` })),
  ];
}

/** Handlers that leave permissions to the schema declare a check that nothing passes. */
function isLeft({ permissions }: Method): boolean {
  return 'check' in permissions && permissions.check[0] === 'or' && permissions.check.length === 1;
}

/** Handlers declare `net[n]` as the schema does, and single ones of a family by their number. */
function officialParameter(method: ApiMethod, name: string): OfficialParameter | undefined {
  return Object.hasOwn(method.parameters, name) ? method.parameters[name] : findParameter(method, name);
}

function parameterDifference(own: ParameterSchema, official: OfficialParameter): string | undefined {
  const [ownType, type] = [own.type ?? 'string', official.type ?? 'string'];
  if (ownType !== type) return `is of type ${type}, not ${ownType}`;
  if (Boolean(own.optional) !== Boolean(official.optional)) {
    return official.optional ? 'is optional' : 'is not optional';
  }
  const [ownChoice, choice] = [own, official].map((schema) => [...(schema.enum ?? [])].sort().join(', '));
  return ownChoice === choice ? undefined : `may be ${choice || 'anything'}, not ${ownChoice || 'anything'}`;
}

function permissionDifferences(own: Method, official: ApiMethod): string[] {
  const [declared, needed] = [permissionText(own.permissions), permissionText(official.permissions)];
  const forTokens = own.allowtoken !== 0;
  return [
    ...(declared === needed ? [] : [`is for ${needed}, not for ${declared}`]),
    ...(forTokens === official.allowToken ? [] : [forTokens ? 'is not for tokens' : 'is for tokens too']),
  ];
}

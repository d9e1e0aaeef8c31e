import ts from 'typescript';
import { PATH_TYPES } from './catalogue-glossary.ts';
import { readComment } from './jsdoc.ts';

type Schema = Record<string, unknown>;

export interface Declarations {
  /** Parameter types by name; a method's parameter refers to one, with a ? before it where optional. */
  readonly types: Record<string, Schema>;
  readonly methods: Schema[];
}

interface Declared {
  readonly source: ts.SourceFile;
  readonly aliases: Map<string, ts.TypeAliasDeclaration>;
  readonly interfaces: Map<string, ts.InterfaceDeclaration>;
  /** Which parameters (without index) each type is used for. */
  readonly uses: Map<string, Set<string>>;
}

const VERBS = new Map([
  ['$get', 'GET'],
  ['$post', 'POST'],
  ['$put', 'PUT'],
  ['$delete', 'DELETE'],
]);

/**
 * Reads the methods and parameter types out of proxmox-api's `model.d.ts`: a namespace of type aliases (with
 * PVE's constraints in JSDoc tags), interfaces of answers, and the tree of methods, `Api`.
 *
 * @throws Error where the file is not built as expected.
 */
export function readDeclarations(text: string): Declarations {
  const source = ts.createSourceFile('model.d.ts', text, ts.ScriptTarget.Latest, true);
  const declared: Declared = { source, aliases: new Map(), interfaces: new Map(), uses: new Map() };
  collect(source, declared);
  const api = declared.interfaces.get('Api');
  if (!api) throw new Error('model.d.ts declares no interface Api');
  const methods = [...readTree(api.members, '', declared)];
  const names = [...declared.uses.keys()].sort();
  const types = Object.fromEntries(names.map((name) => [name, typeSchema(name, declared)]));
  return { types, methods };
}

function collect(node: ts.Node, declared: Declared): void {
  if (ts.isTypeAliasDeclaration(node)) declared.aliases.set(node.name.text, node);
  else if (ts.isInterfaceDeclaration(node)) declared.interfaces.set(node.name.text, node);
  else ts.forEachChild(node, (child) => collect(child, declared));
}

function* readTree(
  members: ts.NodeArray<ts.TypeElement>,
  path: string,
  declared: Declared,
): Iterable<Schema> {
  for (const member of members) {
    const name = nameOf(member);
    if (ts.isPropertySignature(member) && member.type && ts.isTypeLiteralNode(member.type)) {
      yield* readTree(member.type.members, `${path}/${name}`, declared);
    } else if (ts.isMethodSignature(member) && name === '$') {
      const [parameter] = member.parameters;
      if (!parameter || !member.type || !ts.isTypeLiteralNode(member.type))
        throw new Error(`odd $ at ${path}`);
      yield* readTree(member.type.members, `${path}/{${parameter.name.getText(declared.source)}}`, declared);
    } else if (ts.isMethodSignature(member)) {
      yield readMethod(member, name, path, declared);
    }
  }
}

function readMethod(member: ts.MethodSignature, name: string, path: string, declared: Declared): Schema {
  const comment = readComment(member, declared.source);
  const verb = VERBS.get(name);
  // The comment ends with the method's own line, which proves that the tree was read right. Where PVE has no
  // description, there is no text at all.
  const lines = comment.text.split('\n');
  const odd = comment.text !== '' && lines.at(-1) !== `${verb} ${path}`;
  if (verb === undefined || odd) throw new Error(`the comment of ${name} at ${path} names another method`);
  const returns = returnSchema(promised(member.type), declared);
  const permissions = comment.tags.get('permissions');
  return {
    method: verb,
    path,
    description: lines.slice(0, -1).join('\n').trim(),
    ...(comment.tags.get('allowtoken') === '0' ? { allowtoken: 0 } : {}),
    ...(permissions === undefined ? {} : { permissions: JSON.parse(permissions) }),
    parameters: readParameters(member, path, declared),
    ...(returns ? { returns } : {}),
  };
}

function readParameters(
  member: ts.MethodSignature,
  path: string,
  declared: Declared,
): Record<string, string> {
  const found = new Map<string, string>();
  for (const [, name = ''] of path.matchAll(/\{([^}]+)\}/g))
    found.set(name, use(pathType(name), name, declared));
  const type = member.parameters[0]?.type;
  if (type !== undefined && !ts.isTypeLiteralNode(type)) throw new Error(`odd parameters at ${path}`);
  for (const property of type?.members ?? []) {
    if (!ts.isPropertySignature(property) || !property.type) continue;
    const name = nameOf(property);
    const reference = use(property.type.getText(declared.source), name, declared);
    found.set(name, `${property.questionToken ? '?' : ''}${reference}`);
  }
  return foldIndexes(found);
}

/** Puts net0, net1, … of one type together as net[n]. */
function foldIndexes(parameters: ReadonlyMap<string, string>): Record<string, string> {
  const folded = new Map<string, string>();
  for (const [name, type] of parameters) {
    const stem = name.replace(/\d+$/, '');
    const series = name !== stem && [`${stem}0`, `${stem}1`].every((first) => parameters.get(first) === type);
    folded.set(series ? `${stem}[n]` : name, type);
  }
  return Object.fromEntries(folded);
}

function use(type: string, parameter: string, declared: Declared): string {
  const uses = declared.uses.get(type) ?? new Set();
  declared.uses.set(type, uses.add(parameter.replace(/\d+$/, '')));
  return type;
}

function pathType(name: string): string {
  return Object.hasOwn(PATH_TYPES, name) ? `{${name}}` : 'string';
}

function typeSchema(name: string, declared: Declared): Schema {
  const inPath = name.startsWith('{') ? PATH_TYPES[name.slice(1, -1)] : undefined;
  if (inPath) return inPath;
  const alias = declared.aliases.get(name);
  if (!alias) return { type: name };
  const { text, tags } = readComment(alias, declared.source);
  const format = tags.get('format');
  const base = valueSchema(alias.type, declared);
  // A type that several parameters share carries the description of one of them, no one knows which.
  const own = declared.uses.get(name)?.size === 1 && text !== '' ? { description: text } : {};
  return {
    ...base,
    ...(tags.has('type') ? { type: tags.get('type') } : {}),
    ...(format === undefined ? {} : { format: format.startsWith('{') ? JSON.parse(format) : format }),
    ...numbers(tags, ['minimum', 'maximum', 'minLength', 'maxLength']),
    ...(tags.has('pattern') ? { pattern: tags.get('pattern') } : {}),
    ...own,
  };
}

function numbers(tags: ReadonlyMap<string, string>, names: readonly string[]): Schema {
  return Object.fromEntries(
    names.filter((name) => tags.has(name)).map((name) => [name, Number(tags.get(name))]),
  );
}

function valueSchema(type: ts.TypeNode, declared: Declared): Schema {
  if (ts.isUnionTypeNode(type) || ts.isLiteralTypeNode(type)) {
    const members = ts.isUnionTypeNode(type) ? [...type.types] : [type];
    return { type: 'string', enum: members.map((member) => literalText(member, declared)) };
  }
  if (ts.isArrayTypeNode(type)) return { type: 'array' };
  return { type: type.getText(declared.source) };
}

function literalText(type: ts.TypeNode, declared: Declared): string {
  if (ts.isLiteralTypeNode(type) && ts.isLiteralExpression(type.literal)) return type.literal.text;
  throw new Error(`not a literal: ${type.getText(declared.source)}`);
}

function promised(type: ts.TypeNode | undefined): ts.TypeNode {
  const argument = type && ts.isTypeReferenceNode(type) ? type.typeArguments?.[0] : undefined;
  if (!argument) throw new Error('a method that returns no Promise');
  return argument;
}

/** What a method answers; undefined where the types say `any`. */
function returnSchema(type: ts.TypeNode, declared: Declared): Schema | undefined {
  if (type.kind === ts.SyntaxKind.AnyKeyword) return undefined;
  if (ts.isArrayTypeNode(type)) {
    const items = returnSchema(type.elementType, declared);
    return items ? { type: 'array', items } : { type: 'array' };
  }
  if (ts.isTypeLiteralNode(type)) return objectSchema(type.members, declared);
  const name = type.getText(declared.source);
  const named = declared.interfaces.get(name);
  if (named) return objectSchema(named.members, declared);
  const alias = declared.aliases.get(name);
  if (!alias) return { type: name };
  const tag = readComment(alias, declared.source).tags.get('type');
  return tag === undefined ? valueSchema(alias.type, declared) : { type: tag };
}

function objectSchema(members: ts.NodeArray<ts.TypeElement>, declared: Declared): Schema {
  const properties: [string, Schema][] = [];
  for (const member of members) {
    if (!ts.isPropertySignature(member) || !member.type) continue;
    const { text } = readComment(member, declared.source);
    const schema = returnSchema(member.type, declared) ?? {};
    properties.push([
      nameOf(member).replace(
        /(?<=^(?:net|scsi|virtio|ide|sata|mp|unused|dev|hostpci|ipconfig|numa|parallel|serial|usb))\d+$/,
        '[n]',
      ),
      { ...schema, ...(text === '' ? {} : { description: text }) },
    ]);
  }
  return { type: 'object', properties: Object.fromEntries(properties) };
}

function nameOf(member: ts.TypeElement): string {
  const { name } = member;
  if (name && (ts.isIdentifier(name) || ts.isStringLiteral(name))) return name.text;
  throw new Error(`a member without a plain name: ${member.getText()}`);
}

import { describe, expect, it } from 'vitest';
import { readMethods } from '../../../src/catalogue/schema.ts';
import { node, taking } from './schemas.ts';

function read(info: Record<string, unknown>, path = '/thing') {
  const [method] = readMethods([node(path, { POST: info })]);
  if (method === undefined) throw new Error('nothing was read');
  return method;
}

describe('readMethods', () => {
  it('walks the tree in order, each verb of each node', () => {
    const tree = [
      node('/a', { GET: taking({}), PUT: taking({}) }, [node('/a/{b}', { DELETE: taking({}) })]),
      node('/c', { GET: taking({}) }),
    ];
    expect(readMethods(tree).map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /a',
      'PUT /a',
      'DELETE /a/{b}',
      'GET /c',
    ]);
  });

  it('reads what PVE says of a parameter', () => {
    const { parameters } = read(
      taking({
        size: {
          type: 'integer',
          minimum: '0',
          maximum: 9,
          default: 3,
          optional: 1,
          description: 'How many.',
        },
        mode: { type: 'string', enum: ['a', 1], typetext: '<mode>', requires: 'size' },
        flags: { type: 'string', format: { on: { type: 'boolean', default_key: 1 }, of: { alias: 'on' } } },
      }),
    );
    expect(parameters).toEqual({
      size: { type: 'integer', minimum: 0, maximum: 9, default: 3, optional: true, description: 'How many.' },
      mode: { type: 'string', enum: ['a', '1'], typeText: '<mode>', requires: 'size' },
      flags: {
        type: 'string',
        format: { on: { type: 'boolean', defaultKey: true }, of: { alias: 'on', optional: true } },
      },
    });
  });

  it('knows the parameters of the path even where the schema lists none', () => {
    expect(read(taking({}), '/thing/{id}').parameters).toEqual({ id: { type: 'string' } });
  });

  it('reads permissions, answer and whether a token may call', () => {
    const method = read(
      taking(
        {},
        {
          permissions: { check: ['perm', '/', ['Sys.Audit']] },
          allowtoken: 0,
          returns: { type: ['string', 'null'] },
        },
      ),
    );
    expect(method).toMatchObject({
      permissions: { check: ['perm', '/', ['Sys.Audit']] },
      allowToken: false,
      returns: { type: 'string' },
    });
    expect(read(taking({})).allowToken).toBe(true);
    expect(read(taking({}))).not.toHaveProperty('permissions');
  });

  it('survives names that JavaScript has a use for', () => {
    const properties = JSON.parse('{"__proto__": {"type": "string"}, "constructor": {"type": "integer"}}');
    const { parameters } = read({ ...taking({}), parameters: { allOf: [{ properties }, { properties }] } });
    expect(Object.keys(parameters).sort()).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(parameters)).toBe(Object.prototype);
  });

  it('keeps a method whose details it does not understand', () => {
    const method = read({ description: 7, parameters: 'none', returns: [], permissions: 'all' });
    expect(method).toEqual({
      method: 'POST',
      path: '/thing',
      description: '',
      parameters: {},
      additionalProperties: true,
      allowToken: true,
    });
  });

  it('refuses a tree without a method', () => {
    expect(() => readMethods([{ path: '/a' }, null, 3])).toThrow(/holds no method/);
  });
});

describe('parameter blocks of allOf and oneOf', () => {
  const text = { type: 'string' };
  const optional = { type: 'string', optional: 1 };

  it('puts the parts of allOf together, required where any part requires', () => {
    const { parameters, additionalProperties } = read({
      parameters: {
        allOf: [
          { additionalProperties: 0, properties: { a: text, b: optional } },
          { additionalProperties: 0, properties: { b: text, c: optional } },
        ],
      },
    });
    expect(parameters).toEqual({
      a: { type: 'string' },
      b: { type: 'string' },
      c: { type: 'string', optional: true },
    });
    expect(additionalProperties).toBe(false);
  });

  it('makes a parameter of oneOf required only where every variant requires it', () => {
    const { parameters } = read({
      parameters: {
        'type-property': 'kind',
        'type-property-schema': { type: 'string', enum: ['one', 'two'] },
        oneOf: [
          { 'instance-type': 'one', properties: { id: text, only: text, both: optional } },
          { 'instance-type': 'two', properties: { id: text, both: optional, size: { type: 'integer' } } },
        ],
      },
    });
    expect(parameters).toMatchObject({
      kind: { enum: ['one', 'two'] },
      id: { type: 'string', instanceTypes: ['one', 'two'] },
      only: { optional: true, instanceTypes: ['one'] },
      both: { optional: true, instanceTypes: ['one', 'two'] },
      size: { optional: true, type: 'integer', instanceTypes: ['two'] },
    });
    expect(parameters.kind).not.toHaveProperty('optional');
    expect(parameters.id).not.toHaveProperty('optional');
  });

  it('keeps what variants say differently as alternatives', () => {
    const { parameters } = read({
      parameters: {
        'type-property': 'kind',
        oneOf: [
          { 'instance-type': 'one', properties: { size: { type: 'integer' } } },
          { 'instance-type': 'two', properties: { size: { type: 'string' } } },
        ],
      },
    });
    expect(parameters.size).toEqual({
      oneOf: [
        { type: 'integer', typeProperty: 'kind', instanceTypes: ['one'] },
        { type: 'string', typeProperty: 'kind', instanceTypes: ['two'] },
      ],
      typeProperty: 'kind',
    });
  });

  it('reads oneOf within allOf', () => {
    const { parameters } = read({
      parameters: {
        allOf: [
          { properties: { a: text } },
          { oneOf: [{ properties: { b: text } }, { properties: { c: text } }] },
        ],
      },
    });
    expect(parameters).toEqual({
      a: { type: 'string' },
      b: { type: 'string', optional: true },
      c: { type: 'string', optional: true },
    });
  });

  it('lets more parameters through only where the schema says so', () => {
    expect(read({ parameters: { additionalProperties: 1 } }).additionalProperties).toBe(true);
    expect(read({ parameters: { properties: {} } }).additionalProperties).toBe(false);
  });
});

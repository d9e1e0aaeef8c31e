import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { describeMethod } from '../../../src/catalogue/describe.ts';
import { catalogueOf, node, taking } from './schemas.ts';

const builtIn = loadBuiltInCatalogue();

const catalogue = catalogueOf(
  node('/things/{thing}', {
    PUT: taking(
      {
        thing: { type: 'string', format: 'pve-configid', description: 'Which.' },
        size: { type: 'integer', minimum: 1, maximum: 9, optional: 1, default: 3 },
        kind: { type: 'string', enum: ['a', 'b'] },
        on: { type: 'boolean', optional: 1, default: 1 },
        password: { type: 'string', optional: 1 },
        'net[n]': {
          type: 'string',
          optional: 1,
          format: {
            model: { type: 'string', enum: ['virtio'], default_key: 1, description: 'The card.' },
            virtio: { alias: 'mac', keyAlias: 'model' },
            mac: { type: 'string', optional: 1 },
          },
        },
        either: { optional: 1, oneOf: [{ type: 'integer' }, { type: 'boolean' }] },
      },
      {
        returns: { type: 'string', description: 'the task ID.' },
        permissions: { check: ['perm', '/', ['Sys.Modify']] },
        description: 'Changes a thing.',
      },
    ),
    GET: taking(
      {},
      {
        returns: {
          type: 'array',
          items: { type: 'object', properties: { id: { type: 'string', description: 'Its name.' } } },
        },
      },
    ),
  }),
);

describe('describeMethod', () => {
  it('tells all there is to know', () => {
    expect(describeMethod(catalogue, 'PUT', '/things/{thing}')).toEqual({
      method: 'PUT',
      path: '/things/{thing}',
      name: 'made_up',
      description: 'Changes a thing.',
      source: 'file',
      catalogue: 'a made-up schema',
      risk: 'destroy',
      risks: ['destroy'],
      reasons: ['no rule knows this method, so the worst is assumed'],
      privileges: 'Sys.Modify on /',
      allow_token: true,
      parameters: [
        { name: 'thing', in: 'path', type: 'text (pve-configid)', required: true, meaning: 'Which.' },
        { name: 'kind', in: 'body', type: 'text', required: true, enum: ['a', 'b'] },
        {
          name: 'size',
          in: 'body',
          type: 'an integer (1 to 9)',
          required: false,
          default: 3,
          minimum: 1,
          maximum: 9,
        },
        { name: 'on', in: 'body', type: 'true or false', required: false, default: true },
        { name: 'password', in: 'body', type: 'text', required: false, secret: true },
        {
          name: 'net[n]',
          in: 'body',
          type: 'a property string or an object',
          required: false,
          keys: 'model: one of virtio (required, may stand alone); mac: text',
        },
        { name: 'either', in: 'body', type: 'an integer; or true or false', required: false },
      ],
      returns: { text: 'string: the task ID.' },
      returns_task: true,
    });
  });

  it('finds the method by a concrete path too', () => {
    expect(describeMethod(catalogue, 'GET', '/things/one')).toMatchObject({
      path: '/things/{thing}',
      parameters: [{ name: 'thing', in: 'path' }],
      returns: { text: 'list of object', fields: ['id (string): Its name.'] },
      returns_task: false,
    });
  });

  it('tells the keys of a property string at length when asked for it', () => {
    expect(describeMethod(catalogue, 'PUT', '/things/one', ['net3'])?.parameters).toEqual([
      {
        name: 'net[n]',
        in: 'body',
        type: 'a property string or an object',
        required: false,
        keys: [
          { name: 'model', type: 'text', required: true, enum: ['virtio'], meaning: 'The card.' },
          { name: 'mac', type: 'text', required: false },
        ],
      },
    ]);
  });

  it('knows nothing of what is not there', () => {
    expect(describeMethod(catalogue, 'POST', '/things/one')).toBeUndefined();
  });

  it.each([
    ['POST', '/nodes/{node}/qemu', true],
    ['DELETE', '/nodes/{node}/qemu/{vmid}', true],
    ['POST', '/nodes/{node}/vzdump', true],
    ['POST', '/nodes/{node}/storage/{storage}/content', false],
    ['POST', '/nodes/{node}/storage/{storage}/content/{volume}', true],
    ['POST', '/nodes/{node}/wakeonlan', false],
    ['POST', '/nodes/{node}/qemu/{vmid}/monitor', false],
    ['PUT', '/nodes/{node}/qemu/{vmid}/config', false],
    ['GET', '/nodes/{node}/tasks/{upid}/status', false],
  ] as const)('of %s %s says whether it returns a task: %s', (method, path, task) => {
    expect(describeMethod(builtIn, method, path)?.returns_task).toBe(task);
  });

  it('can describe every method of the built-in catalogue, within 40 kB', () => {
    for (const { method, path } of builtIn.methods) {
      expect(JSON.stringify(describeMethod(builtIn, method, path)).length, `${method} ${path}`).toBeLessThan(
        40_000,
      );
    }
  });
});

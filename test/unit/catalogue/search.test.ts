import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { prepareSearch, searchApi } from '../../../src/catalogue/search.ts';
import { catalogueOf, node, taking } from './schemas.ts';

const builtIn = loadBuiltInCatalogue();
const titles = (query: string, limit = 3) =>
  searchApi(builtIn, query, { limit }).map(({ method, path }) => `${method} ${path}`);

describe('searchApi', () => {
  it.each([
    ['create vm', 'POST /nodes/{node}/qemu'],
    ['create virtual machine', 'POST /nodes/{node}/qemu'],
    ['list containers', 'GET /nodes/{node}/lxc'],
    ['delete vm', 'DELETE /nodes/{node}/qemu/{vmid}'],
    ['rollback snapshot', 'POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback'],
    ['next free vmid', 'GET /cluster/nextid'],
    ['vzdump', 'POST /nodes/{node}/vzdump'],
    ['cluster resources', 'GET /cluster/resources'],
    ['/nodes/{node}/qemu/{vmid}/config', 'GET /nodes/{node}/qemu/{vmid}/config'],
    ['move disk', 'POST /nodes/{node}/qemu/{vmid}/move_disk'],
    ['upload iso', 'POST /nodes/{node}/storage/{storage}/upload'],
    ['two factor', 'GET /access/tfa'],
    ['grant permission', 'PUT /access/acl'],
  ])('%j finds %s among the first', (query, expected) => {
    expect(titles(query)).toContain(expected);
  });

  it.each([
    ['snapshto', '/snapshot'],
    ['firewal rules', '/firewall/rules'],
    ['replicaton', '/replication'],
    ['migrat', '/migrate'],
    ['SNAPSHOTS', '/snapshot'],
  ])('forgives %j', (query, part) => {
    expect(titles(query)[0]).toContain(part);
  });

  it('tells verb, path, first sentence and risk', () => {
    const catalogue = catalogueOf(
      node('/version', { GET: taking({}, { description: 'Tells the version. And more.' }) }),
    );
    expect(searchApi(catalogue, 'version')).toEqual([
      { method: 'GET', path: '/version', summary: 'Tells the version.', risk: 'read' },
    ]);
  });

  it('keeps to the limit and finds nothing in nothing', () => {
    expect(titles('vm', 2)).toHaveLength(2);
    expect(searchApi(builtIn, 'vm')).toHaveLength(20);
    expect(titles('')).toEqual([]);
    expect(titles('qqqqqqqqqqqq')).toEqual([]);
  });

  it('keeps the catalogues apart', () => {
    const other = catalogueOf(node('/somewhere', { GET: taking({}) }));
    prepareSearch(other);
    expect(searchApi(other, 'snapshot')).toEqual([]);
    expect(titles('snapshot')).not.toEqual([]);
  });
});

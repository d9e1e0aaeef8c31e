import { describe, expect, it } from 'vitest';
import {
  type ClusterFiles,
  compareFiles,
  conflictText,
  fileOf,
} from '../../../../../src/tools/between/alike/template-files.ts';
import type { FileContent } from '../../../../../src/tools/storage/files.ts';

const volume = (volid: string, bytes: number | undefined, content: FileContent = 'iso') =>
  fileOf(
    {
      ...{
        volid,
        storage: 'local',
        node: 'pve1',
        shared: false,
        content,
        format: 'iso',
        vmid: undefined,
        bytes,
      },
      ...{ usedBytes: undefined, madeAt: undefined, notes: undefined, protected: false, parent: undefined },
    },
    content,
  );
const files = (volumes: ClusterFiles['volumes'], unsure: FileContent[] = []): ClusterFiles => ({
  volumes,
  unsure: new Set(unsure),
  unread: [],
});

describe('files over clusters', () => {
  it('are told apart by name, kind and size', () => {
    const compared = compareFiles(
      new Map([
        [
          'a',
          files([
            volume('local:iso/one.iso', 1),
            volume('local:iso/two.iso', 1),
            volume('local:import/one.iso', 5, 'import'),
          ]),
        ],
        ['b', files([volume('local:iso/one.iso', 1), volume('local:iso/two.iso', 2)])],
      ]),
    );
    expect(compared.map(({ content, file, status, missing }) => [content, file, status, missing])).toEqual([
      ['import', 'one.iso', 'only_some', ['b']],
      ['iso', 'one.iso', 'alike', []],
      ['iso', 'two.iso', 'conflict', []],
    ]);
    expect(conflictText(compared[2] as never)).toContain(
      'a local on pve1 1 bytes (1 bytes); b local on pve1 2 bytes',
    );
  });

  it('are not missing where not all could be read', () => {
    const [one] = compareFiles(
      new Map([
        ['a', files([volume('local:iso/one.iso', 1)])],
        ['b', files([], ['iso'])],
        ['c', files([], ['import'])],
      ]),
    );
    expect(one).toMatchObject({ status: 'only_some', missing: ['c'], unknown: ['b'] });
  });

  it('of unknown size are no conflict', () => {
    const [one] = compareFiles(
      new Map([
        ['a', files([volume('local:iso/one.iso', undefined)])],
        ['b', files([volume('local:iso/one.iso', 7)])],
      ]),
    );
    expect(one?.status).toBe('alike');
  });
});

import { describe, expect, it, vi } from 'vitest';
import type { ClusterDirectory } from '../../../src/clusters/cluster.ts';
import { ListChanges, type ListListener } from '../../../src/mcp/list-changes.ts';
import type { ToolListing } from '../../../src/tools/registry.ts';
import { directoryOf, RecordingCluster } from '../../support/recording-cluster.ts';

const [one, two] = [directoryOf(new RecordingCluster('a')), directoryOf(new RecordingCluster('b'))];

/** Lists whose only tool is described by a text; a directory without one is gone. */
function setUp() {
  const texts = new Map<ClusterDirectory, string>([
    [one, 'a'],
    [two, 'b'],
  ]);
  const clusters = new Map<ClusterDirectory, string[]>();
  const sut = new ListChanges((directory) => {
    const description = texts.get(directory);
    if (description === undefined) throw new Error('gone');
    return { tools: [{ description } as unknown as ToolListing], clusters: clusters.get(directory) ?? [] };
  });
  const listener = () => ({ changed: vi.fn<ListListener['changed']>(), gone: vi.fn<() => void>() });
  return { texts, clusters, sut, listener };
}

describe('ListChanges', () => {
  it('tells of another list once, and only those who see it', () => {
    const { texts, sut, listener } = setUp();
    const [first, second, other] = [listener(), listener(), listener()];
    sut.subscribe(one, first);
    sut.subscribe(one, second);
    sut.subscribe(two, other);
    sut.refresh();
    expect(first.changed).not.toHaveBeenCalled();
    texts.set(one, 'new');
    sut.refresh();
    sut.refresh();
    expect(first.changed).toHaveBeenCalledExactlyOnceWith({ tools: true, resources: false });
    expect(second.changed).toHaveBeenCalledOnce();
    expect(other.changed).not.toHaveBeenCalled();
  });

  it('tells of another set of clusters apart from another list of tools', () => {
    const { clusters, sut, listener } = setUp();
    const told = listener();
    sut.subscribe(one, told);
    clusters.set(one, ['a', 'new']);
    sut.refresh();
    sut.refresh();
    expect(told.changed).toHaveBeenCalledExactlyOnceWith({ tools: false, resources: true });
  });

  it('tells again when the list goes back to what it was', () => {
    const { texts, sut, listener } = setUp();
    const told = listener();
    sut.subscribe(one, told);
    for (const text of ['new', 'a']) {
      texts.set(one, text);
      sut.refresh();
    }
    expect(told.changed).toHaveBeenCalledTimes(2);
  });

  it('tells all where the policy is another one, whose lists may look alike before it is asked', () => {
    const { texts, sut, listener } = setUp();
    const [first, other] = [listener(), listener()];
    sut.subscribe(one, first);
    sut.subscribe(two, other);
    texts.delete(two);
    sut.refresh(true);
    expect(first.changed).toHaveBeenCalledOnce();
    expect(other.changed).not.toHaveBeenCalled();
    expect(other.gone).toHaveBeenCalledOnce();
  });

  it('says that a directory is gone; listeners may leave while they are told', () => {
    const { texts, sut, listener } = setUp();
    const told = listener();
    const leave = sut.subscribe(one, told);
    told.gone.mockImplementation(leave);
    const second = listener();
    sut.subscribe(one, second);
    texts.delete(one);
    sut.refresh();
    sut.refresh();
    expect(told.gone).toHaveBeenCalledOnce();
    expect(second.gone).toHaveBeenCalledOnce();
    expect(told.changed).not.toHaveBeenCalled();
  });

  it('forgets who has left, and a directory that nobody listens to', () => {
    const { texts, sut, listener } = setUp();
    const told = listener();
    const leave = sut.subscribe(one, told);
    expect(sut.size).toBe(1);
    leave();
    leave();
    expect(sut.size).toBe(0);
    texts.set(one, 'new');
    sut.refresh();
    expect(told.changed).not.toHaveBeenCalled();
  });
});

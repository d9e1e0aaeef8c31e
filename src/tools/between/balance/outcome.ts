import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { count } from '../../results.ts';
import type { MoveRow, PlannedMove } from './proposal.ts';

type Shown = Pick<PlannedMove, 'vmid' | 'name' | 'to'> & {
  result?: MoveRow['result'] | undefined;
  message?: string | undefined;
};

/** What became of moves, as sentences. */
export function outcomeWords(moves: readonly Shown[]): string {
  const of = (result: MoveRow['result']) => moves.filter((move) => move.result === result);
  const [moving] = of('moving');
  const failed = of('failed').map(
    ({ vmid, name, message }) =>
      `${vmid}${name === undefined ? '' : ` (${quoted(name)})`}: ${message ?? 'no reason'}`,
  );
  const parts = [
    `${of('moved').length} of ${count(moves.length, 'guest')} moved`,
    ...(moving === undefined ? [] : [`${moving.vmid} is on its way to ${quoted(moving.to)}`]),
    ...(of('not_begun').length === 0
      ? []
      : [`${of('not_begun').length} not begun: repeat the call to go on`]),
    ...(of('elsewhere').length === 0 ? [] : [`${of('elsewhere').length} not where they were expected`]),
  ];
  return `${parts.join('; ')}.${failed.length === 0 ? '' : ` Failed: ${someOf(failed, 5)}.`}`;
}

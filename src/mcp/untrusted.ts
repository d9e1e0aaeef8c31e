import { mapTexts, type Redaction } from '../observability/redaction.ts';
import { HIDDEN, visible } from '../proxmox/text.ts';

/** A tool's answer as it may leave. */
export interface SafeAnswer {
  structured: Record<string, unknown>;
  /** The same as JSON. */
  json: string;
  /** How many characters a person would not have seen, and are gone. */
  removed: number;
}

/**
 * A first look at JSON, where `JSON.stringify` has escaped C0 controls and halves of pairs: where this finds nothing,
 * `visible` would change no text.
 */
const MAY_HIDE = new RegExp(String.raw`\\(?:[bfr]|u00|ud)|${HIDDEN}`, 'u');

/**
 * Makes what Proxmox and its guests wrote fit for a model: data that holds nothing hidden, and no secret of this
 * process. It is otherwise unchanged, and nothing is copied where nothing has to be taken out.
 */
export function asData(structured: Record<string, unknown>, redaction: Redaction): SafeAnswer {
  let safe: SafeAnswer = { structured, json: JSON.stringify(structured), removed: 0 };
  if (MAY_HIDE.test(safe.json)) {
    let removed = 0;
    const seen = mapTexts(structured, (text) => {
      const kept = visible(text);
      removed += text.length - kept.length;
      return kept;
    });
    safe = { ...answerOf(seen), removed };
  }
  // Afterwards: what was hidden amid a secret has kept it from being found.
  if (!redaction.mayTouch(safe.json)) return safe;
  const { removed } = safe;
  return { ...answerOf(mapTexts(safe.structured, (text) => redaction.inAnswer(text))), removed };
}

function answerOf(value: unknown): Omit<SafeAnswer, 'removed'> {
  return { structured: value as Record<string, unknown>, json: JSON.stringify(value) };
}

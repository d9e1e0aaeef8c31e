import type { FastifyInstance } from 'fastify';

/** Levels of a body; ours have ten at most. Who walks through one deeper by some thousand comes to the end of its stack. */
const MOST_LEVELS = 100;
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT, QUOTE, BACKSLASH] = Array.from('[]{}"\\', (text) =>
  text.charCodeAt(0),
);

/** A body that is JSON, and is refused all the same. */
export class RefusedBody extends Error {
  override readonly name = 'RefusedBody';
  readonly statusCode = 400;
}

/**
 * Reads JSON bodies. Clients send DELETE with a JSON content type and no body, which Fastify's own parser refuses; and
 * it tells who sent a key that it takes for an attack no more than that the body is no JSON.
 */
export function jsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const text = String(body);
    if (text === '' && request.method === 'DELETE') return done(null, undefined);
    if (isDeep(text)) {
      return done(new RefusedBody(`JSON may be nested ${MOST_LEVELS} levels deep.`), undefined);
    }
    return parse(request, text, (error, value) => {
      const isForbidden = error !== null && isJson(text);
      if (!isForbidden) return done(error, value);
      done(new RefusedBody('JSON may hold neither the key __proto__ nor constructor.prototype.'), undefined);
    });
  });
}

/** Whether arrays and objects are nested too deep; what is no JSON is left to the parser. */
export function isDeep(text: string): boolean {
  // Before everything else: what is short has not the room.
  if (text.length <= 2 * MOST_LEVELS) return false;
  let levels = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      index = endOfText(text, index);
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      levels += 1;
      if (levels > MOST_LEVELS) return true;
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) levels -= 1;
  }
  return false;
}

/** The closing quote of a text that begins there; the end where it has none. */
function endOfText(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

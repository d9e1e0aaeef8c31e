/**
 * Three characters of each of SUSPICIOUS' alternatives, in lower case, that other words seldom have: a line without any
 * of them, and without the signs that the other alternatives begin with, has nothing of what that looks for.
 */
const TRACES = [
  ...['ken', 'oki', 'csr', 'riz', 'rer', 'sic', 'der', 'ssw', 'sph', 'ecr', 'cke', 'otp', 'tfa', 'key'],
  ...['iva', 'ypt', 'hma', 't-e', 'eyj', 'pmk', 'kdf'],
];
/** They stand in the names of nodes everywhere; what comes behind them decides. */
const PRODUCTS = ['pve', 'pbs', 'pmg', 'pdm'];
/** Of three characters, five bits each: a word that collides with a trace costs the second look and no more. */
const MASK = 0x7fff;
const TRACE = 1;
const PRODUCT = 2;
const MARKS = new Uint8Array(MASK + 1);
for (const text of PRODUCTS) MARKS[blockOf(text)] = PRODUCT;
for (const text of TRACES) MARKS[blockOf(text)] = TRACE;

const A = 'A'.charCodeAt(0);
const Z = 'Z'.charCodeAt(0);
const COLON = ':'.charCodeAt(0);
const DOLLAR = '$'.charCodeAt(0);
const PERCENT = '%'.charCodeAt(0);
const AND = '&'.charCodeAt(0);
const QUESTION = '?'.charCodeAt(0);
const TO_LOWER = 32;
const LONGEST_WORD = 10;
const HEX_BEFORE = 8;

/**
 * Whether a text may hold what SUSPICIOUS looks for: a sixth of its time, as a regular expression tries each of its
 * alternatives at each character. It may be wrong with a yes, and never with a no.
 */
export function mayBeSuspicious(text: string): boolean {
  let block = 0;
  for (let at = 0; at < text.length; at++) {
    let code = text.charCodeAt(at);
    if (code >= A && code <= Z) code |= TO_LOWER;
    // What is left of a character is gone after three steps, however large it was.
    block = ((block << 5) ^ code) & MASK;
    const mark = MARKS[block];
    if (mark === TRACE || (mark === PRODUCT && endsWithColon(text, at + 1))) return true;
    if (code > COLON && code !== QUESTION) continue;
    if (code === QUESTION || code === DOLLAR || code === PERCENT || code === AND) return true;
    if (code === COLON && (text[at + 1] === '/' || isHex(text, at - HEX_BEFORE, at))) return true;
  }
  return false;
}

function blockOf(text: string): number {
  let block = 0;
  for (let at = 0; at < text.length; at++) block = ((block << 5) ^ text.charCodeAt(at)) & MASK;
  return block;
}

/** Whether a colon follows, at once or behind some letters; an encoded one is seen by its percent sign. */
function endsWithColon(text: string, from: number): boolean {
  for (let at = from; at <= from + LONGEST_WORD; at++) {
    const code = text.charCodeAt(at);
    if (code === COLON) return true;
    const letter = code & ~TO_LOWER;
    if (!(letter >= A && letter <= Z)) return false;
  }
  return false;
}

function isHex(text: string, from: number, end: number): boolean {
  if (from < 0) return false;
  // From its end: of a time the third character is none.
  for (let at = end - 1; at >= from; at--) {
    const code = text.charCodeAt(at) | TO_LOWER;
    const isDigit = code >= 48 && code <= 57;
    if (!isDigit && !(code >= 97 && code <= 102)) return false;
  }
  return true;
}

/**
 * A text in every form in which it may come out: plain, in a URL or a form, in JSON (also twice), in HTML, as hex, and
 * as base64, alone or amid other bytes: base64 looks different at each of three alignments, such as that of
 * `user:password` in a Basic header.
 */
export function formsOf(secret: string): Set<string> {
  const text = secret.toWellFormed();
  const bytes = Buffer.from(text);
  const forms = new Set([secret, text]);
  for (const form of [text, inJson(secret), inJson(text), inHtml(text)]) forms.add(form);
  forms.add(inJson(inJson(text)));
  forms.add(asciiJson(text));
  forms.add(bytes.toString('hex'));
  forms.add(bytes.toString('hex').toUpperCase());
  forms.add(bytes.toString('base64url'));
  forms.add(bytes.toString('base64'));
  for (const core of base64Cores(bytes)) forms.add(core).add(urlAlphabet(core));
  // Half a character is written as U+FFFD wherever bytes are written, and stays one only in our own texts.
  const writable = [...forms].filter((form) => form.isWellFormed());
  for (const form of writable) for (const encoded of inUrls(form)) forms.add(encoded);
  return forms;
}

/** The characters of base64 that hold nothing but the secret's bits, behind 0, 1 and 2 foreign bytes. */
function base64Cores(bytes: Buffer): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    return text.slice(Math.ceil((8 * before) / 6), Math.floor((8 * (before + bytes.length)) / 6));
  });
}

function urlAlphabet(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_');
}

function inUrls(text: string): string[] {
  const once = encodeURIComponent(text);
  if (once === text && !/[!'()*~]/.test(text)) return [];
  const inForm = new URLSearchParams({ '': text }).toString().slice(1);
  const lower = once.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  return [once, lower, encodeURIComponent(once), inForm];
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** As Perl and Python write it where they are asked for ASCII. */
function asciiJson(text: string): string {
  return inJson(text).replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function inHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

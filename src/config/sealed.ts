import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { Secret } from './secret.ts';

/** The keys of a cluster's entry whose value may be sealed. */
export const SECRET_KEYS = ['token_secret', 'password'] as const;

/** Where a sealed text stands. It opens nowhere else, so that nobody swaps the secrets of two clusters unnoticed. */
export interface SealedPlace {
  cluster: string;
  key: (typeof SECRET_KEYS)[number];
}

const VERSION = 'v1';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

const KEY_RULE = 'must be 32 bytes as base64, or 64 hex digits; make one with: openssl rand -base64 32';
const AGAIN = 'put the secret in again as a plain text and run `proxmox-mcp secrets seal`';

/**
 * A key that seals secrets with AES-256-GCM: `v1.<key id>.<base64url of nonce, ciphertext and tag>`. The place is
 * authenticated with it. Messages of its errors go on from the name of what is wrong, and hold no part of a secret.
 */
export class SealingKey {
  /** First 8 hex digits of the key's SHA-256: names the key, and tells nothing of it. */
  readonly id: string;
  readonly #key: KeyObject;
  readonly #origin: string;

  private constructor(bytes: Buffer, origin: string) {
    this.id = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
    this.#key = createSecretKey(bytes);
    this.#origin = origin;
  }

  /**
   * @param text base64, base64url or hex; blanks around it don't count
   * @param origin where the key comes from, for messages: `CLUSTERS_KEY`, or a path
   * @throws Error that says what a key looks like, and nothing of the text
   */
  static parse(text: Secret, origin: string): SealingKey {
    const bytes = keyBytes(text.reveal().trim());
    if (bytes === undefined) throw new Error(KEY_RULE);
    return new SealingKey(bytes, origin);
  }

  /** Seals a secret for one place; each time another text. */
  seal(secret: Secret, place: SealedPlace): string {
    const value = secret.reveal();
    // A lone half of a surrogate pair has no UTF-8 form: it would come back as another character.
    if (!value.isWellFormed()) throw new Error('holds half a character, and can’t be sealed');
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(boundTo(place));
    const parts = [nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()];
    return `${VERSION}.${this.id}.${Buffer.concat(parts).toString('base64url')}`;
  }

  /**
   * Opens what was sealed with this key for this place.
   *
   * @param others places where the text may have been taken from: the error then names the one
   * @throws Error that tells a wrong key, a moved text, an altered or a cut one and another version apart
   */
  open(sealed: string, place: SealedPlace, others: Iterable<SealedPlace> = []): Secret {
    const { keyId, payload } = parseSealed(sealed);
    if (keyId !== this.id) {
      throw new Error(
        `was sealed with the key ${keyId}; ${this.#origin} holds ${this.id}. Give the key it was sealed with, or ${AGAIN}`,
      );
    }
    const secret = this.#decrypt(payload, place);
    if (secret !== undefined) return secret;
    for (const other of others) {
      if (this.#decrypt(payload, other) === undefined) continue;
      throw new Error(
        `was sealed for cluster "${other.cluster}", ${other.key}, and opens nowhere else; move it back, or ${AGAIN}`,
      );
    }
    throw new Error(
      `was altered or cut after it was sealed, or was sealed for a cluster of another name; ${AGAIN}`,
    );
  }

  #decrypt(payload: Buffer, place: SealedPlace): Secret | undefined {
    const nonce = payload.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(place)).setAuthTag(payload.subarray(-TAG_BYTES));
    const opened = decipher.update(payload.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      // Nothing of `opened` may be used before final() has verified the tag.
      return new Secret(Buffer.concat([opened, decipher.final()]).toString('utf8'));
    } catch {
      return undefined;
    }
  }
}

/**
 * The id of the key that a text was sealed with.
 *
 * @throws Error for what is no sealed text of this version; it quotes nothing of it
 */
export function sealedKeyId(sealed: string): string {
  return parseSealed(sealed).keyId;
}

/** Every place that clusters of these names have for a secret. */
export function* sealedPlaces(clusters: Iterable<string>): Generator<SealedPlace> {
  for (const cluster of clusters) {
    for (const key of SECRET_KEYS) yield { cluster, key };
  }
}

function parseSealed(sealed: string): { keyId: string; payload: Buffer } {
  const [version = '', keyId = '', encoded = '', ...rest] = sealed.split('.');
  if (version !== VERSION && /^v\d{1,3}$/.test(version)) {
    throw new Error(
      `is sealed in the form ${version}, which this version of proxmox-mcp does not know: it knows ${VERSION}`,
    );
  }
  if (version !== VERSION || rest.length > 0 || !/^[0-9a-f]{8}$/.test(keyId)) {
    throw new Error(`is no sealed text, which begins with ${VERSION} and the id of its key; ${AGAIN}`);
  }
  const payload = decoded(encoded);
  if (payload === undefined || payload.length <= NONCE_BYTES + TAG_BYTES) {
    throw new Error(`was cut or altered after it was sealed; ${AGAIN}`);
  }
  return { keyId, payload };
}

/** The names may hold dots, so they are not joined by one: JSON leaves no doubt where each ends. */
function boundTo({ cluster, key }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([VERSION, cluster, key]));
}

function keyBytes(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  const unpadded = text.replace(/=$/, '');
  const bytes = decoded(unpadded.replaceAll('+', '-').replaceAll('/', '_'));
  return bytes?.length === KEY_BYTES ? bytes : undefined;
}

/** Node skips over what is no base64 and ignores loose bits at the end: two texts would be one value. */
function decoded(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formsOf } from '../../../src/observability/encodings.ts';
import { Redaction, withoutSecrets } from '../../../src/observability/redaction.ts';

const SECRET = 'c4n4ry/pass+word "quoted" ~ 0001';
const TICKET_SIGNATURE = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4+/==';
const CSRF = `6512A3B4:${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V'}`;
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg';
const PEM =
  '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIKc4n4ryc4n4ryc4n4ry\nAAAA\n-----END EC PRIVATE KEY-----';

function knowing(...secrets: string[]): Redaction {
  const redaction = new Redaction();
  redaction.keep(secrets);
  return redaction;
}

describe('a known secret', () => {
  const url = encodeURIComponent(SECRET);
  const lower = url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  const inForm = new URLSearchParams({ p: SECRET }).toString().slice(2);
  it.each([
    ['plain', SECRET],
    ['in a URL', url],
    ['in a URL, in small letters', lower],
    ['in a URL in a URL', encodeURIComponent(url)],
    ['in a form', inForm],
    ['in JSON', JSON.stringify({ a: SECRET })],
    ['in JSON in JSON', JSON.stringify({ a: JSON.stringify({ b: SECRET }) })],
    ['as hex', Buffer.from(SECRET).toString('hex')],
    ['as hex in capitals', Buffer.from(SECRET).toString('hex').toUpperCase()],
    ['as base64', Buffer.from(SECRET).toString('base64')],
    ['as base64 in a URL', encodeURIComponent(Buffer.from(SECRET).toString('base64'))],
    ['as base64url', Buffer.from(SECRET).toString('base64url')],
    ['in a Basic header', Buffer.from(`ops@pve:${SECRET}`).toString('base64')],
    ['in base64 behind one byte', Buffer.from(`x${SECRET}tail`).toString('base64')],
    ['in base64 behind two bytes', Buffer.from(`xx${SECRET}tail`).toString('base64url')],
  ])('is taken out %s', (_form, text) => {
    const clean = knowing(SECRET).text(`before ${text} after`);
    expect(clean).toContain('[redacted]');
    expect(clean).toMatch(/^before .* after$/s);
    for (const form of formsOf(SECRET)) expect(clean).not.toContain(form);
    // Not the bigger part of it either, such as the middle of a base64 text.
    const middle = text.slice(Math.floor(text.length / 2) - 5, Math.floor(text.length / 2) + 5);
    expect(clean).not.toContain(middle);
  });

  it('with half a character in it is taken out too, as JSON can bring one', () => {
    const half = JSON.parse('"pass\\ud800word-0001"') as string;
    expect(withoutSecrets(`a ${half} b`, [half])).toBe('a [redacted] b');
    const sent = encodeURIComponent(half.toWellFormed());
    expect(knowing(half).text(`a ${sent} b`)).toBe('a [redacted] b');
    expect(knowing(half).text(JSON.stringify([half]))).toBe('["[redacted]"]');
  });

  it('of any kind is taken out in any form, and leaves nothing that is one of its forms', () => {
    const secrets = fc.string({ unit: 'binary', minLength: 6, maxLength: 40 });
    fc.assert(
      fc.property(secrets, fc.string(), fc.nat(30), (secret, around, pick) => {
        const forms = [...formsOf(secret)].filter((form) => form.length >= 6);
        const form = forms[pick % forms.length] ?? secret;
        const clean = withoutSecrets(`${around}|${form}|${around}`, [secret]);
        expect(clean).not.toContain(form);
        expect(withoutSecrets(clean, [secret])).toBe(clean);
      }),
    );
  });

  it('of fewer than six characters is not looked for: it would be found everywhere', () => {
    expect(knowing('admin').text('the admin of admins')).toBe('the admin of admins');
  });

  it('stays known when others come', () => {
    const redaction = knowing('first-secret');
    expect(redaction.text('first-secret')).toBe('[redacted]');
    redaction.keep(['second-secret']);
    redaction.note(['a-ticket-1', 'a-ticket-1']);
    expect(redaction.text('first-secret second-secret a-ticket-1')).toBe('[redacted] [redacted] [redacted]');
  });

  it('that passes makes room for newer ones, and never for those that last', () => {
    const redaction = knowing('lasting-secret');
    for (let index = 0; index < 2000; index++) redaction.note([`ticket-number-${index}-`]);
    expect(redaction.text('lasting-secret ticket-number-1999- ticket-number-0-')).toBe(
      '[redacted] [redacted] ticket-number-0-',
    );
  });
});

describe('what looks like a secret', () => {
  it.each([
    ['PVEAPIToken=ops@pve!mcp=0d9c4e1f-70ca-4c0f-8a11-c4n4ry000001', 'PVEAPIToken=[redacted]'],
    [
      'apitoken=PVEAPIToken=root@pam!x=c4n4ry,host=10.0.0.1,fingerprint=AA:BB',
      'apitoken=[redacted],host=10.0.0.1,fingerprint=AA:BB',
    ],
    ['PVEAPIToken%3Dops%40pve%21mcp%3Dc4n4ry', 'PVEAPIToken%3D[redacted]'],
    [
      `Cookie: PVEAuthCookie=PVE%3Aops%40pve%3A6512A3B4%3A%3Ac4n4ry; a=b`,
      'Cookie: PVEAuthCookie=[redacted]; a=b',
    ],
    [`PVE:ops@pve:6512A3B4::${TICKET_SIGNATURE} is stale`, '[redacted] is stale'],
    [`PVEVNC:6512A3B4::${TICKET_SIGNATURE}`, '[redacted]'],
    [`PVETUNNEL:6512A3B4::${TICKET_SIGNATURE}`, '[redacted]'],
    [`csrf ${CSRF}.`, 'csrf [redacted].'],
    [`csrf ${encodeURIComponent(`${CSRF}=`)}.`, 'csrf [redacted].'],
    ['CSRFPreventionToken: anything', 'CSRFPreventionToken: [redacted]'],
    ['Authorization: Bearer abc', 'Authorization: Bearer [redacted]'],
    ['"authorization":"Basic b3BzOnNlY3JldA=="', '"authorization":"Basic [redacted]"'],
    ['Bearer abcdefghij0123456789', 'Bearer [redacted]'],
    [`token ${JWT}!`, 'token [redacted]!'],
    ['pmk_0123456789ab_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP0', 'pmk_0123456789ab_[redacted]'],
    [`key ${PEM} end`, 'key [redacted] end'],
    [`cut ${PEM.slice(0, 60)}`, 'cut [redacted]'],
    ['https://x/?password=c4n4ry&a=1', 'https://x/?password=[redacted]&a=1'],
    ['https://x/hook?token=c4n4ry#f', 'https://x/hook?token=[redacted]#f'],
    [
      'https://x/a.iso?X-Amz-Date=1&X-Amz-Signature=c4n4ry',
      'https://x/a.iso?X-Amz-Date=1&X-Amz-Signature=[redacted]',
    ],
    ['https://x/a.iso?X-Goog-Signature=c4n4ry&y=1', 'https://x/a.iso?X-Goog-Signature=[redacted]&y=1'],
    ['cifs,username=u,password=c4n4ry,share=s', 'cifs,username=u,password=[redacted],share=s'],
    ['cipassword: c4n4ry', 'cipassword: [redacted]'],
    ['{"password":"c4n4ry","a":1}', '{"password":"[redacted]","a":1}'],
    ['{\\"token_secret\\": \\"c4n4ry\\"}', '{\\"token_secret\\": \\"[redacted]\\"}'],
    ['mysql --password c4n4ry -u root', 'mysql --password [redacted] -u root'],
    ['set_password vnc c4n4ry', 'set_password vnc [redacted]'],
    ['postgres://app:c4n4ry@db/x', 'postgres://app:[redacted]@db/x'],
    ['root:$6$salt$c4n4ryc4n4ryc4n4ry:19000', 'root:[redacted]:19000'],
    ['{"kdf":null,"created":"x","data":"c4n4ry=="}', '{"kdf":null,"created":"x","data":"[redacted]"}'],
    ['encryption-key: c4n4ry', 'encryption-key: [redacted]'],
  ])('goes: %s', (text, expected) => {
    const clean = new Redaction().text(text);
    expect(clean).toBe(expected);
    expect(new Redaction().text(clean)).toBe(clean);
  });

  it.each([
    'UPID:pve1:0000ABCD:0012F3A4:6512A3B4:qmstart:100:root@pam:',
    'UPID:pve1:0000ABCD:0012F3A4:6512A3B4:vzdump::mcp@pve!mcp:',
    'digest da39a3ee5e6b4b0d3255bfef95601890afd80709',
    'sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'fingerprint AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89',
    'smbios1: uuid=0d9c4e1f-70ca-4c0f-8a11-9b2f6c000001',
    'net0: virtio=BC:24:11:AA:BB:CC,bridge=vmbr0,firewall=1',
    'scsi0: local-lvm:vm-100-disk-0,iothread=1,size=32G',
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxlYXZlIG1lIGFsb25lIHBsZWFzZSBub3cgb2s ops@host',
    'the API token mcp@pve!mcp lacks VM.Audit on /vms/100.',
    "Grant it on a node: pveum acl modify /vms/103 --tokens 'mcp@pve!limited' --roles PVEAuditor",
    'Check token_id and token_secret of this cluster: pveum user token list mcp@pve',
    'Give a token with --token or in MCP_TOKEN: proxmox-mcp token --subject NAME --scope proxmox:read',
    'Proxmox VE refused the parameters: password: value must be at least 8 characters long',
    'https://pve1.example.org:8006/api2/json/nodes/pve1/qemu/100/status/current',
    'WWW-Authenticate: Bearer resource_metadata="https://mcp.example.org/.well-known/oauth-protected-resource"',
    'local:backup/vzdump-qemu-100-2025_01_02-03_04_05.vma.zst',
    'Bearer authentication is required',
    'Send Authorization: Bearer <token>.',
    'MCP_JWT_SECRET is missing: clients need a token.',
  ])('and what does not stays: %s', (text) => {
    expect(new Redaction().text(text)).toBe(text);
  });

  it('takes linear time, whatever is written to make it take more', () => {
    const evil = [
      'eyJ',
      'eyJa.',
      'eyJaaaaaa.aaaaaa',
      '-----BEGIN PRIVATE KEY',
      'PVE:',
      'PVE:a:6512A3B4:',
      'Bearer ',
      '://a:',
      '"kdf":',
      'password',
      '--password ',
      '--',
      '\\\\\\',
      '"a',
      '$6$',
      'pmk_0',
      'authorization: ',
      'authorization  ',
      '6512A3B4:',
      'a-',
      '://',
      '?key',
    ];
    for (const part of evil) {
      const startedAt = performance.now();
      new Redaction().text(part.repeat(Math.ceil(300_000 / part.length)));
      // Tens of milliseconds; anything that is not linear takes minutes.
      expect(performance.now() - startedAt, part).toBeLessThan(10_000);
    }
  });
});

describe('an answer', () => {
  const own = '0d9c4e1f-70ca-4c0f-8a11-c4n4ry000001';

  it('keeps what was asked for, and loses the secrets of this process', () => {
    const redaction = knowing(own);
    const asked = `{"value":"7a1b0000-0000-4000-8000-000000000001","cipassword":"$5$abc$defghijkl","ticket":"PVE:a@pve:6512A3B4::${TICKET_SIGNATURE}"}`;
    expect(redaction.inAnswer(asked)).toBe(asked);
    expect(redaction.mayTouch(asked)).toBe(false);
    expect(redaction.mayTouch(JSON.stringify({ log: own }))).toBe(true);
    expect(redaction.inAnswer(`secret ${own}`)).toBe('secret [redacted]');
    expect(redaction.inAnswer('pmk_0123456789ab_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP0')).toBe(
      'pmk_0123456789ab_[redacted]',
    );
  });

  it('is no oracle for passwords that can be guessed', () => {
    expect(knowing('hunter2hunter2').inAnswer('is it hunter2hunter2?')).toBe('is it hunter2hunter2?');
  });
});

describe('plain data', () => {
  it('loses the value of every name that says it is secret', () => {
    const value = {
      password: 'a',
      nested: [{ 'client-key': 'b', name: 'c', token: null, secret: '' }],
      headers: { x: 'y' },
    };
    expect(new Redaction().value(value)).toEqual({
      password: '[redacted]',
      nested: [{ 'client-key': '[redacted]', name: 'c', token: null, secret: '' }],
      headers: '[redacted]',
    });
  });

  it('loses secrets that are numbers or names', () => {
    expect(knowing('123456789').value({ a: 123456789, 123456789: 1, b: 12 })).toEqual({
      a: '[redacted]',
      '[redacted]': 1,
      b: 12,
    });
  });
});

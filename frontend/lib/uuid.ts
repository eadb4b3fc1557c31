/**
 * Return a UUID version 7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits.
 *
 * Not `crypto.randomUUID`, which browsers offer only on https and localhost.
 */
export function uuidv7(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const view = new DataView(bytes.buffer);
  const now = Date.now();
  view.setUint32(0, Math.floor(now / 2 ** 16));
  view.setUint16(4, now % 2 ** 16);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x70);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  return spelled(bytes);
}

/**
 * Return the UUID version 8 (RFC 9562 §5.8) for a digest. It is always the same for the same
 * digest.
 */
export function uuidv8(digest: Uint8Array): string {
  const bytes = digest.slice(0, 16);
  const view = new DataView(bytes.buffer);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x80);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  return spelled(bytes);
}

function spelled(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Encodings of text files before UTF-8, by region. */
export const LEGACY_ENCODINGS = {
  "windows-1252": "Western European",
  macintosh: "Western European (Mac)",
  "windows-1250": "Central European",
  "windows-1251": "Cyrillic",
  "windows-1253": "Greek",
  "windows-1254": "Turkish",
  "windows-1257": "Baltic",
  "windows-1255": "Hebrew",
  "windows-1256": "Arabic",
  shift_jis: "Japanese",
  gb18030: "Chinese (simplified)",
  big5: "Chinese (traditional)",
  "euc-kr": "Korean",
} as const;

export type LegacyEncoding = keyof typeof LEGACY_ENCODINGS;

const BYTE_ORDER_MARKS: readonly [encoding: string, ...bytes: number[]][] = [
  ["utf-8", 0xef, 0xbb, 0xbf],
  ["utf-16le", 0xff, 0xfe],
  ["utf-16be", 0xfe, 0xff],
];

/**
 * Detect UTF-16 without a byte order mark: every other byte of ASCII text, such as the headings, is
 * zero.
 */
function unmarkedUtf16(bytes: Uint8Array): string | null {
  const [first, second] = bytes;
  if (first !== 0 && second === 0) return "utf-16le";
  return first === 0 && second !== 0 && second !== undefined ? "utf-16be" : null;
}

/**
 * Decode a file in UTF-8 or UTF-16, with or without a byte order mark. Returns null for other
 * encodings, which cannot be detected.
 */
export function decode(bytes: Uint8Array): string | null {
  const marked = BYTE_ORDER_MARKS.find(([, ...mark]) =>
    mark.every((byte, place) => bytes[place] === byte),
  );
  const encoding = marked?.[0] ?? unmarkedUtf16(bytes) ?? "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Decode a file in the given encoding; null if it contains invalid bytes. */
export function decodeAs(bytes: Uint8Array, encoding: LegacyEncoding): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

const SAMPLE_LENGTH = 40;

/**
 * Return the first words with a letter outside ASCII, so that a person can see whether the encoding
 * is right.
 */
export function sampleOf(text: string): string {
  const words = text.match(/[^\s,;"|]*[^\p{ASCII}\s,;"|][^\s,;"|]*/gu) ?? [];
  return [...new Set(words)].slice(0, 4).join(", ").slice(0, SAMPLE_LENGTH);
}

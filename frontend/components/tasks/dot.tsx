/** The colours that a label can have: all colours of projects except grey. */
const COLORS = ["RED", "ORANGE", "YELLOW", "GREEN", "TEAL", "BLUE", "PURPLE", "PINK"] as const;

type Color = "GRAY" | (typeof COLORS)[number];

/** Return the colour of a label. It depends on the name alone, so it is the same everywhere. */
export function labelColor(label: string): Color {
  let sum = 0;
  for (const character of label.toLowerCase()) sum = (sum * 31 + character.charCodeAt(0)) % 997;
  return COLORS[sum % COLORS.length] ?? "GRAY";
}

/** A small dot in a colour. The text next to it says what it means. */
export function Dot({ color }: { color: Color }) {
  return <span aria-hidden="true" className="dot" data-color={color} />;
}

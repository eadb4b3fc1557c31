import { COLORS } from "@/components/projects/project";
import { ProjectDot } from "@/components/projects/project-dot";

/** The colors of labels: all colors of projects except gray. */
const LABEL_COLORS = COLORS.slice(1);

/**
 * A dot in the color of a label. The color depends only on the name, so it is the same everywhere.
 */
export function LabelDot({ label }: { label: string }) {
  let sum = 0;
  for (const character of label.toLowerCase()) sum = (sum * 31 + character.charCodeAt(0)) % 997;
  return <ProjectDot color={LABEL_COLORS[sum % LABEL_COLORS.length] ?? "GRAY"} />;
}

import { COLORS } from "@/components/projects/project";
import { ProjectDot } from "@/components/projects/project-dot";

/** The colours of labels: those of projects, except grey. */
const LABEL_COLORS = COLORS.slice(1);

/** A dot in the colour of a label. It depends on the name alone, so it is the same everywhere. */
export function LabelDot({ label }: { label: string }) {
  let sum = 0;
  for (const character of label.toLowerCase()) sum = (sum * 31 + character.charCodeAt(0)) % 997;
  return <ProjectDot color={LABEL_COLORS[sum % LABEL_COLORS.length] ?? "GRAY"} />;
}

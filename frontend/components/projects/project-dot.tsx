import type { ProjectColor } from "@/gql/graphql";

/** A small dot in the colour of a project. The text next to it says what it means. */
export function ProjectDot({ color }: { color: ProjectColor }) {
  return <span aria-hidden="true" className="dot" data-color={color} />;
}

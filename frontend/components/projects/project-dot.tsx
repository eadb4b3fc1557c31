import type { ProjectColor } from "@/gql/graphql";

/** A small dot in the color of a project. The name of the project is next to it. */
export function ProjectDot({ color }: { color: ProjectColor }) {
  return <span aria-hidden="true" className="dot" data-color={color} />;
}

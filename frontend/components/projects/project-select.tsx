import { useProjects } from "./use-projects";

type Props = {
  id: string;
  /** The id of the chosen project, or null. */
  value: string | null;
  onChange: (id: string | null) => void;
};

/** A menu of the projects: a `<select>`, which browsers adapt to each device. */
export function ProjectSelect({ id, value, onChange }: Props) {
  const { active, archived } = useProjects();
  // Archived projects are not offered, except the project in which the task is.
  const current = archived.filter((project) => project.id === value);
  const projects = [...active, ...current];
  const isKnown = projects.some((project) => project.id === value);
  return (
    <select
      className="small-field max-w-full"
      dir="auto"
      id={id}
      onChange={(event) => onChange(event.target.value || null)}
      value={isKnown ? (value ?? "") : ""}
    >
      <option value="">No project</option>
      {projects.map((project) => (
        <option key={project.id} value={project.id}>
          {project.name}
        </option>
      ))}
    </select>
  );
}

import { createContext, useContext } from "react";
import type { AppStore } from "./app-store";

export const StoreContext = createContext<AppStore | null>(null);

/**
 * Return the store, for actions. A component that reads it while it renders would later show old
 * values. So a rule of Biome forbids components to import this module: they use `useStored`.
 *
 * @throws {Error} if the component is outside `TasksProvider`.
 */
export function useStore(): AppStore {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("The component is outside TasksProvider");
  return store;
}

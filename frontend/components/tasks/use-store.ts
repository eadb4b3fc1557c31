import { createContext, useContext } from "react";
import type { AppStore } from "./app-store";

export const StoreContext = createContext<AppStore | null>(null);

/**
 * Return the store, for actions. A component that reads it while it renders would show old values later. So
 * Biome does not let components import this module: they read values with `useStored`.
 *
 * @throws {Error} if the component is outside `TasksProvider`.
 */
export function useStore(): AppStore {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("The component is outside TasksProvider");
  return store;
}

import { createContext, useContext } from "react";
import type { AppStore } from "./app-store";

export const StoreContext = createContext<AppStore | null>(null);

/**
 * Return the store, for use in actions. A component that reads the store during a render does not
 * render again when the store changes. So a lint rule forbids components to import this module:
 * they use `useStored`.
 *
 * @throws {Error} if the component is outside `TasksProvider`.
 */
export function useStore(): AppStore {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("The component is outside TasksProvider");
  return store;
}

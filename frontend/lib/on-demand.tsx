import { type ComponentType, createElement, lazy, Suspense } from "react";

/**
 * Return a component whose code is loaded when it is first rendered. It shows nothing before.
 *
 * `next/dynamic` has no Suspense boundary unless it gets a `loading` component. Without a boundary,
 * React shows no change of the whole page until the code is loaded.
 */
export function onDemand<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  const Loaded = lazy(async () => ({ default: await load() }));
  return (props: Props) => <Suspense>{createElement<Props>(Loaded, props)}</Suspense>;
}

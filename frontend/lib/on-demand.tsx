import { type ComponentType, createElement, lazy, Suspense, useState } from "react";

/**
 * Return a component whose code is loaded when it is first rendered, or before by its function
 * `preload`. The component shows nothing until then.
 *
 * `next/dynamic` has no Suspense boundary unless it gets a `loading` component. Without a boundary,
 * React shows no change of the whole page until the code is loaded. With a boundary, React shows a
 * lazy component up to 300 ms late, even if its code is loaded. So preloaded code is not lazy.
 */
export function onDemand<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  let Loaded: ComponentType<Props> | undefined;

  async function preload() {
    Loaded ??= await load();
    return { default: Loaded };
  }

  const Late = lazy(preload);

  function OnDemand(props: Props) {
    // If the type of a rendered element changed, React would discard the state of the component.
    const [Chosen] = useState<ComponentType<Props>>(() => Loaded ?? Late);
    return <Suspense>{createElement<Props>(Chosen, props)}</Suspense>;
  }

  return Object.assign(OnDemand, { preload });
}

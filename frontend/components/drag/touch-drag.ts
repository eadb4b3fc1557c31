import { createPreview, type Dragged, type DropTarget, targetAt } from "./drop-target";
import { announceDrag } from "./monitor";

/*
 * Dragging by touch, after a long press. With a mouse, a library uses the browser's drag and drop.
 * Not every browser supports that by touch.
 */

const LONG_PRESS_MS = 350;
/** If the finger moves by more pixels before the long press is over, the page scrolls. */
const SLOP = 10;
/** The list scrolls while the finger is within this many pixels of its edge. */
const SCROLL_ZONE = 72;
const SCROLL_STEP = 8;

type Options = {
  dragged: () => Dragged;
  label: (dragged: Dragged) => string;
};

/** Return the element that scrolls this one. */
function scrollerOf(element: Element): Element {
  for (let one = element.parentElement; one; one = one.parentElement) {
    const { overflowY } = getComputedStyle(one);
    if (/auto|scroll/.test(overflowY) && one.scrollHeight > one.clientHeight) return one;
  }
  return document.documentElement;
}

/** One drag: from the long press until the finger is lifted. */
class TouchDrag {
  private readonly preview: HTMLElement;
  private readonly scroller: Element;
  private target: DropTarget | null = null;
  private x = 0;
  private y = 0;
  private frame = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly dragged: Dragged,
    label: string,
  ) {
    this.preview = createPreview(label);
    this.scroller = scrollerOf(element);
    // A modal dialog is in front of all elements outside of it.
    (element.closest("dialog") ?? document.body).append(this.preview);
    element.setAttribute("data-dragged", "");
    announceDrag("onDragStart");
  }

  moveTo({ clientX, clientY }: Touch): void {
    this.x = clientX;
    this.y = clientY;
    this.preview.style.translate = `${clientX}px ${clientY}px`;
    this.update();
    cancelAnimationFrame(this.frame);
    this.scroll();
  }

  private update(): void {
    const found = targetAt(this.x, this.y);
    const target = found?.accepts(this.dragged) ? found : null;
    if (target !== this.target) this.target?.show(null);
    this.target = target;
    target?.show(target.edgeAt(this.dragged, this.y));
  }

  private scroll(): void {
    const { top, bottom } = this.scroller.getBoundingClientRect();
    const isUp = this.y < Math.max(0, top) + SCROLL_ZONE;
    const isDown = this.y > Math.min(window.innerHeight, bottom) - SCROLL_ZONE;
    if (isUp === isDown) return;
    this.scroller.scrollBy(0, isUp ? -SCROLL_STEP : SCROLL_STEP);
    this.update();
    this.frame = requestAnimationFrame(() => this.scroll());
  }

  end(isDropped: boolean): void {
    cancelAnimationFrame(this.frame);
    this.preview.remove();
    this.element.removeAttribute("data-dragged");
    this.target?.show(null);
    announceDrag("onDrop");
    if (isDropped) this.target?.drop(this.dragged, this.target.edgeAt(this.dragged, this.y));
  }
}

/** Make an element draggable by touch, until the returned function is called. */
export function draggableByTouch(element: HTMLElement, options: Options): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let start: Touch | undefined;
  let drag: TouchDrag | null = null;
  const listeners = new AbortController();

  function stop(isDropped: boolean) {
    clearTimeout(timer);
    element.draggable = true;
    start = undefined;
    drag?.end(isDropped);
    drag = null;
  }

  function begin() {
    if (!start) return;
    const dragged = options.dragged();
    drag = new TouchDrag(element, dragged, options.label(dragged));
    drag.moveTo(start);
  }

  function onStart({ touches }: TouchEvent) {
    stop(false);
    // Fields keep the browser's own long press, which selects text.
    if (touches.length !== 1 || element.querySelector(":focus:is(input:not([type=checkbox]))"))
      return;
    start = touches[0];
    // If the element were draggable, the browser would start its own drag.
    element.draggable = false;
    timer = setTimeout(begin, LONG_PRESS_MS);
  }

  function onMove(event: TouchEvent) {
    const [touch] = event.touches;
    if (!(touch && start)) return;
    if (drag) {
      // The page must not scroll.
      event.preventDefault();
      drag.moveTo(touch);
    } else if (Math.hypot(touch.clientX - start.clientX, touch.clientY - start.clientY) > SLOP) {
      stop(false);
    }
  }

  function onEnd(event: TouchEvent) {
    // Without this, the browser would send a click after the drag.
    if (drag && event.cancelable) event.preventDefault();
    stop(event.type === "touchend");
  }

  function onContextMenu(event: Event) {
    if (start) event.preventDefault();
  }

  const { signal } = listeners;
  element.addEventListener("touchstart", onStart, { passive: true, signal });
  // Safari ignores `preventDefault` in a listener that is added during a touch, so all are added
  // now.
  element.addEventListener("touchmove", onMove, { passive: false, signal });
  element.addEventListener("touchend", onEnd, { signal });
  element.addEventListener("touchcancel", onEnd, { signal });
  element.addEventListener("contextmenu", onContextMenu, { signal });
  return () => {
    // If a long list removes a row that is being dragged, the row still gets the touch events.
    if (!drag) listeners.abort();
  };
}

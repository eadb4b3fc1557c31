"use client";

import { useEffect, useEffectEvent, useRef, useState } from "react";
import { usePageLeave } from "@/components/keyboard/use-page-leave";

/** Years before are those of a year that is not whole yet ("2", "20", "202"). */
const FIRST_YEAR = "1000";

type Props = { id: string; day: string | null; onChange: (day: string | null) => void };

/**
 * A due day. One that is picked is saved at once. While one is typed, the browser has a date for
 * every digit of the year: it is saved when the field is left, or by Enter.
 */
export function DueField({ id, day, onChange }: Props) {
  const [typed, setTyped] = useState<{ value: string; isIncomplete: boolean } | null>(null);
  const isTyping = useRef<boolean>(false);

  function save() {
    isTyping.current = false;
    setTyped(null);
    if (typed && !typed.isIncomplete && typed.value !== (day ?? "")) onChange(typed.value || null);
  }

  usePageLeave(save);
  const onUnmount = useEffectEvent(save);
  // With the panel closed by a key, the field is gone without having been left.
  useEffect(() => () => onUnmount(), []);

  return (
    <input
      className="small-field"
      id={id}
      max="9999-12-31"
      onBlur={save}
      onChange={({ target: { value, validity } }) => {
        if (isTyping.current) {
          // A date of which a part is missing reads as none.
          const isIncomplete = value === "" ? validity.badInput : value < FIRST_YEAR;
          setTyped({ value, isIncomplete });
        } else {
          setTyped(null);
          onChange(value || null);
        }
      }}
      onKeyDown={({ key }) => {
        if (key === "Enter") save();
        else if (key !== "Tab") isTyping.current = true;
      }}
      onPointerDown={() => {
        isTyping.current = false;
      }}
      type="date"
      value={typed?.value ?? day ?? ""}
    />
  );
}

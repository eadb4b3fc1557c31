"use client";

import { useEffect, useEffectEvent, useRef, useState } from "react";
import { usePageLeave } from "@/components/keyboard/use-page-leave";

/** Earlier years are incomplete: "2", "20" and "202" on the way to 2026. */
const FIRST_YEAR = "1000";

type Props = { id: string; day: string | null; onChange: (day: string | null) => void };

/**
 * The due date. A date from the picker is saved at once. While one is typed, each digit of the year
 * makes a valid date, so it is saved on Enter or when the field is left.
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
  // When a key closes the panel, the field is removed without a blur event.
  useEffect(() => () => onUnmount(), []);

  return (
    <input
      className="small-field"
      id={id}
      max="9999-12-31"
      onBlur={save}
      onChange={({ target: { value, validity } }) => {
        if (isTyping.current) {
          // An incomplete date has an empty value.
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

"use client";

import { useState } from "react";
import type { DateOrder } from "./dates";
import { decodeAs, LEGACY_ENCODINGS, type LegacyEncoding, sampleOf } from "./decode";
import type { Reading } from "./read-file";

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });

type AskEncodingProps = { bytes: Uint8Array; onAnswer: (encoding: LegacyEncoding) => void };

/** Shows words of the file in each encoding, for the person to choose the right one. */
export function AskEncoding({ bytes, onAnswer }: AskEncodingProps) {
  const [samples] = useState(() =>
    (Object.keys(LEGACY_ENCODINGS) as LegacyEncoding[]).flatMap((encoding) => {
      const text = decodeAs(bytes, encoding);
      return text === null ? [] : [{ encoding, sample: sampleOf(text) }];
    }),
  );
  return (
    <fieldset className="mt-3">
      <legend>
        This file does not say how its letters are encoded. Which of these reads right?
      </legend>
      <div className="mt-3 grid gap-2">
        {samples.map(({ encoding, sample }) => (
          <button
            className="button justify-between gap-4"
            key={encoding}
            onClick={() => onAnswer(encoding)}
            type="button"
          >
            <span className="min-w-0 truncate" dir="auto">
              {sample}
            </span>
            <span className="text-sm text-muted">{LEGACY_ENCODINGS[encoding]}</span>
          </button>
        ))}
      </div>
    </fieldset>
  );
}

type AskOrderProps = Extract<Reading, { asks: "order" }> & {
  onAnswer: (order: DateOrder) => void;
};

/** Asks which day an ambiguous date of the file means. */
export function AskOrder({ example, days, onAnswer }: AskOrderProps) {
  return (
    <fieldset className="mt-3">
      <legend>This file has the due day {example}. Which day is that?</legend>
      <div className="mt-3 flex flex-wrap gap-3">
        {(["day-first", "month-first"] as const).map((order) => (
          <button className="button" key={order} onClick={() => onAnswer(order)} type="button">
            {DAY.format(new Date(`${days[order]}T00:00:00Z`))}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

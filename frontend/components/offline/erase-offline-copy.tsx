"use client";

import { useEffect } from "react";
import { eraseOfflineCopy } from "./offline-copy";

/**
 * Erases the rows that are stored in the browser, on pages that are shown only to signed-out
 * people.
 */
export function EraseOfflineCopy() {
  useEffect(() => void eraseOfflineCopy(), []);
  return null;
}

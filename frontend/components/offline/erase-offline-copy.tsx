"use client";

import { useEffect } from "react";
import { eraseOfflineCopy } from "./offline-copy";

/** Erases the rows that are stored in the browser: for pages that nobody who is signed in sees. */
export function EraseOfflineCopy() {
  useEffect(() => void eraseOfflineCopy(), []);
  return null;
}

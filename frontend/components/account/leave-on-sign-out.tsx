"use client";

import { useEffect } from "react";
import { leaveOnSignOut } from "./signed-out";

/** Leaves the page when the person signs out in another tab. */
export function LeaveOnSignOut() {
  useEffect(() => leaveOnSignOut(), []);
  return null;
}

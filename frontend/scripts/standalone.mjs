// `output: "standalone"` leaves out what a CDN could serve. One process serves it here, so it goes in.
import { cpSync } from "node:fs";

cpSync(".next/static", ".next/standalone/.next/static", { recursive: true });
cpSync("public", ".next/standalone/public", { recursive: true });

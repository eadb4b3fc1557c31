// Add the static files, which `output: "standalone"` omits for a CDN: here one process serves them.
import { cpSync } from "node:fs";

cpSync(".next/static", ".next/standalone/.next/static", { recursive: true });
cpSync("public", ".next/standalone/public", { recursive: true });

// Prints the path of a Chromium for the browser tests: PW_CHROMIUM, the system's, or the one in
// npm.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

function fail(message) {
  console.error(`chromium: ${message}`);
  process.exit(1);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function onSystem() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const candidates = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...candidates, MAC].find(isExecutable);
}

/** Unpack once per user and version. Renaming the folder makes this safe for parallel runs. */
async function fromPackage() {
  const own = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const version = JSON.parse(own).devDependencies["@sparticuz/chromium"];
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "bearer-tasks");
  const folder = join(cache, `chromium-${version}`);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    const aside = mkdtempSync(join(cache, "unpacking-"));
    // The package unpacks into the temporary folder.
    process.env.TMPDIR = aside;
    const { default: chromium } = await import("@sparticuz/chromium");
    await chromium.executablePath();
    try {
      renameSync(aside, folder);
    } catch (error) {
      rmSync(aside, { recursive: true });
      if (!["ENOTEMPTY", "EEXIST"].includes(error.code)) throw error;
    }
  }
  return join(folder, "chromium");
}

const { PW_CHROMIUM } = process.env;
if (PW_CHROMIUM) {
  if (!existsSync(PW_CHROMIUM)) fail(`PW_CHROMIUM: no such file: ${PW_CHROMIUM}`);
  console.log(PW_CHROMIUM);
} else {
  const system = onSystem();
  if (system) console.log(system);
  else if (process.platform === "linux" && process.arch === "x64") console.log(await fromPackage());
  else fail("none found; install Chromium or Google Chrome, or set PW_CHROMIUM to one");
}

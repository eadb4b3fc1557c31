// Check with MDN's data that the browsers in `browserslist` (package.json) support what the web app
// uses: without arguments in the source that browsers run, with a folder in what was built.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import bcd from "@mdn/browser-compat-data" with { type: "json" };
import ts from "typescript";

const NO_TOUCH = "browsers without touch events dispatch none";

/** Features that some of these browsers lack, and why they may be used. */
const ALLOWED = {
  "KeyboardEvent.isComposing": "Safari ends a composition first: keyCode 229 tells of its last key",
  "RegExp.escape": "a polyfill in GraphiQL's editor asks for it",
  "Uint8Array.fromBase64": "jose asks whether it is there",
  "Error.captureStackTrace": "libraries ask whether it is there",
  "Error.stackTraceLimit": "React sets it where it is there, and harms nothing elsewhere",
  Touch: NO_TOUCH,
  TouchEvent: NO_TOUCH,
  "TouchEvent.touches": NO_TOUCH,
  "TouchList.length": NO_TOUCH,
  "Touch.clientX": NO_TOUCH,
  "Touch.clientY": NO_TOUCH,
  "accent-color:": "the accent of a checkbox is a colour that may fail",
  "field-sizing:": "without it a text field scrolls",
  "resize:": "phones have no corner to drag",
  "scrollbar-width:": "Safari shows its scroll bar",
  "user-select:": "Safari has it with a prefix, which is written too",
  "::selection": "iOS colours selections itself",
  "::marker": "of some properties, all of which are Tailwind's",
};

/** The names that MDN gives to the browsers of browserslist. */
const BROWSERS = {
  chrome: ["chrome", "chrome_android"],
  edge: ["edge"],
  firefox: ["firefox", "firefox_android"],
  safari: ["safari"],
  ios_saf: ["safari_ios"],
};

const { browserslist } = JSON.parse(readFileSync("package.json", "utf8"));
const FLOOR = browserslist.flatMap((query) => {
  const [, name, version] = /^(\w+) >= ([\d.]+)$/.exec(query);
  return BROWSERS[name].map((browser) => ({ browser, version }));
});

const isLater = (a, b) => a.localeCompare(b, "en", { numeric: true }) > 0;

/** Whether a browser supports a feature in that version, without a flag or a prefix. */
function has({ support }, { browser, version }) {
  return [support[browser] ?? []].flat().some((one) => {
    const added = one.version_added;
    if (one.flags || one.prefix || one.alternative_name || one.version_removed) return false;
    if (one.partial_implementation || typeof added !== "string" || added === "preview")
      return false;
    return !isLater(added.replace("≤", ""), version);
  });
}

/** Return the browsers that lack a feature; none if MDN does not know it. */
const lacking = (entry) =>
  entry?.__compat ? FLOOR.filter((browser) => !has(entry.__compat, browser)) : [];

const faults = new Map();

/**
 * Record a use of a feature that has these entries in MDN's data. The use is no fault if all
 * browsers support one of the entries.
 */
function use(what, where, ...entries) {
  const known = entries.filter((entry) => entry?.__compat);
  if (what in ALLOWED || known.length === 0 || faults.has(what)) return;
  const missing = known.map(lacking);
  if (missing.some((browsers) => browsers.length === 0)) return;
  const names = missing[0].map(({ browser, version }) => `${browser} ${version}`);
  faults.set(what, `${where}: ${what} is not in ${names.join(", ")}`);
}

const own = (object, name) => (Object.hasOwn(object ?? {}, name) ? object[name] : undefined);

/** Return the entries of a member of a global object or interface. */
function member(owner, name) {
  const owners = [own(bcd.api, owner), own(bcd.javascript.builtins, owner)];
  return owners.flatMap((one) => [own(one, name), own(one, `${name}_static`)]);
}

const global = (name) => [
  own(bcd.api, name),
  own(bcd.javascript.builtins, name),
  own(bcd.api.Window, name),
];

/* The source, by its types */

function* nodesOf(node) {
  yield node;
  const children = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* nodesOf(child);
}

/** Return what a node imports, statically or by `import()`; undefined for types and other nodes. */
function importedBy(node) {
  if (ts.isImportDeclaration(node) && !node.importClause?.isTypeOnly) return node.moduleSpecifier;
  const isCall = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
  return isCall ? node.arguments[0] : undefined;
}

/** Return our files that browsers run: those with "use client", and all that they import. */
function clientFiles(program) {
  const options = program.getCompilerOptions();
  const isOurs = (file) => file && !file.fileName.includes("node_modules");
  const found = new Set(
    program.getSourceFiles().filter((file) => isOurs(file) && /^"use client"/.test(file.text)),
  );
  // The loop also visits files that are added meanwhile.
  for (const file of found) {
    for (const node of nodesOf(file)) {
      const from = importedBy(node);
      if (!from) continue;
      const { resolvedModule } = ts.resolveModuleName(from.text, file.fileName, options, ts.sys);
      const next = resolvedModule && program.getSourceFile(resolvedModule.resolvedFileName);
      if (isOurs(next)) found.add(next);
    }
  }
  return found;
}

const isStandard = (declaration) =>
  /[\\/]typescript[\\/]lib[\\/]lib\.[\w.]+\.d\.ts$/.test(declaration.getSourceFile().fileName);

/**
 * Return the name of the interface that has a member. In `declare var AbortSignal: { any(…) }`, it
 * is `AbortSignal`.
 */
function ownerOf({ parent }) {
  const { name } = ts.isTypeLiteralNode(parent) ? parent.parent : parent;
  return name?.text?.replace(/Constructor$/, "").replace(/^Readonly(?=Array|Map|Set)/, "");
}

/** Whether a node is a value, and not a type or a declared name. */
const isValue = (node) => ts.isExpression(node) || ts.isPropertyAccessExpression(node.parent);

function checkSource() {
  const { config } = ts.readConfigFile("tsconfig.json", ts.sys.readFile);
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, process.cwd());
  const program = ts.createProgram(fileNames, options);
  const checker = program.getTypeChecker();
  for (const file of clientFiles(program)) {
    for (const node of nodesOf(file)) {
      if (ts.isIdentifier(node) && isValue(node))
        checkName(node, checker.getSymbolAtLocation(node));
    }
  }
}

function checkName(node, symbol) {
  for (const declaration of symbol?.declarations?.filter(isStandard) ?? []) {
    const file = node.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(node.getStart());
    const where = `${relative("", file.fileName)}:${line + 1}`;
    const owner = ownerOf(declaration);
    if (owner) use(`${owner}.${node.text}`, where, ...member(owner, node.text));
    else use(node.text, where, ...global(node.text));
  }
}

/* What was built, by its text */

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true }).map((name) => join(folder, name));

/** Return all entries below these, by name. */
function named(...roots) {
  const found = new Map();
  const walk = (entry, name) => {
    if (entry.__compat) found.set(name, [...(found.get(name) ?? []), entry]);
    for (const [key, value] of Object.entries(entry)) if (key !== "__compat") walk(value, key);
  };
  for (const root of roots) walk(root, "");
  return found;
}

const CSS_FUNCTIONS = named(bcd.css.types, bcd.css.properties);

function checkStyle(file) {
  const text = readFileSync(file, "utf8");
  const css = text.replace(/\/\*.*?\*\//gs, "").replace(/"[^"]*"/g, '""');
  for (const [, name] of css.matchAll(/[{;]\s*([a-z][a-z-]*)\s*:(?=[^{}]*[;}])/g)) {
    use(`${name}:`, file, own(bcd.css.properties, name));
  }
  for (const [selector] of css.matchAll(/(?<![^{};])[^{};]+\{/g)) {
    for (const [, colons, name] of selector.matchAll(/(?<!\\)(::?)([a-z][a-z-]*)/g)) {
      use(colons + name, file, own(bcd.css.selectors, name));
    }
  }
  for (const [, name] of css.matchAll(/(?<![\w:-])([a-z][a-z-]*)\(/g)) {
    use(`${name}()`, file, ...(CSS_FUNCTIONS.get(name) ?? []));
  }
  for (const [, name] of css.matchAll(/@([a-z-]+)/g)) {
    use(`@${name}`, file, own(bcd.css["at-rules"], name));
  }
}

function checkScript(file) {
  const script = readFileSync(file, "utf8");
  for (const [, owner, name] of script.matchAll(/(?<![\w$.])([A-Z]\w+)\.(\w+)/g)) {
    use(`${owner}.${name}`, file, ...member(owner, name));
  }
  for (const [, name] of script.matchAll(/(?<![\w$.])new ([A-Z]\w+)/g)) {
    use(`new ${name}`, file, ...global(name));
  }
}

function checkBuilt(folder) {
  const files = filesIn(folder);
  for (const file of files.filter((name) => name.endsWith(".css"))) checkStyle(file);
  for (const file of files.filter((name) => name.endsWith(".js"))) checkScript(file);
}

const [built] = process.argv.slice(2);
if (built) checkBuilt(built);
else checkSource();
for (const fault of faults.values()) console.error(fault);
if (faults.size > 0) process.exit(1);

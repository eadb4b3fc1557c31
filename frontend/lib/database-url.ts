import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import {
  type ConnectionOptions,
  createSecureContext,
  getCACertificates,
  type SecureContext,
} from "node:tls";

// The parameters that DATABASE_URL may have, and what they mean. `api/postgres/url.py` has the same
// rules and explains them; `tests/database_urls.json` tests that both read a URL alike.

const EXAMPLE = "postgresql://user:password@host/database?sslmode=require";
const VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ["sslmode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]],
  ["ssl", ["true"]],
  ["sslnegotiation", ["postgres", "direct"]],
  ["channel_binding", ["disable", "prefer", "require"]],
  ["target_session_attrs", ["any", "read-write", "primary", "prefer-standby"]],
  ["gssencmode", ["disable", "prefer"]],
  ["client_encoding", ["auto", "UTF8", "utf8", "UTF-8", "utf-8"]],
]);
const FILES = ["sslrootcert", "sslcert", "sslkey"];
const TAKEN: ReadonlySet<string> = new Set([
  ...["host", "port", "user", "password", "dbname", "application_name", "options"],
  ...FILES,
  ...VALUES.keys(),
]);
const DROPPED: ReadonlySet<string> = new Set([
  // Prisma's parameters for its own pool, engine and schema.
  ...["pgbouncer", "schema", "connection_limit", "pool_timeout", "socket_timeout"],
  ...["statement_cache_size", "single_use_connections"],
  ...["max_connection_lifetime", "max_idle_connection_lifetime"],
  // Parameters of SQLAlchemy and node-postgres, and those that Supabase adds on Vercel.
  ...["prepared_statement_cache_size", "uselibpqcompat", "supa", "workaround"],
  // Parameters of libpq that the pools here set themselves.
  ...["connect_timeout", "fallback_application_name", "load_balance_hosts"],
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"],
  "tcp_user_timeout",
]);
const VERIFYING = ["require", "verify-ca", "verify-full"];

type Mode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

/** The parts of a URL, with libpq's defaults. */
type DatabaseUrl = {
  /** A host name, an address, or the directory of a socket, which starts with a slash. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Null: PGPASSWORD or ~/.pgpass is used. */
  readonly password: string | null;
  readonly database: string;
  readonly sslmode: Mode;
  /** A file, or "system". */
  readonly sslrootcert: string | null;
  readonly sslcert: string | null;
  readonly sslkey: string | null;
  readonly sslnegotiation: "postgres" | "direct";
  readonly channel_binding: string;
  readonly application_name: string | null;
  readonly options: string | null;
};

/**
 * Thrown for a URL that is not accepted: what was expected and an example, never values of the URL.
 */
export class InvalidUrl extends Error {
  override readonly name = "InvalidUrl";
  readonly expected: string;
  readonly example: string;
  constructor(expected: string, example = EXAMPLE) {
    super(`expected ${expected}, for example ${example}`);
    this.expected = expected;
    this.example = example;
  }
}

type Given = ReadonlyMap<string, string>;

const unencoded = () =>
  new InvalidUrl(
    "special characters in its parts to be percent-encoded (@ as %40, % as %25, / as %2F, # as %23, ? as %3F, a space as %20)",
    "postgresql://user:p%40ssword@host/database",
  );

function decoded(text: string): string {
  let plain: string;
  try {
    plain = decodeURIComponent(text);
  } catch {
    throw unencoded();
  }
  if (plain.includes("\0")) throw unencoded();
  return plain;
}

/**
 * Check a parameter.
 *
 * @throws {InvalidUrl} for an unknown name or an invalid value.
 */
function check(name: string, value: string): void {
  if (!(TAKEN.has(name) || DROPPED.has(name))) {
    throw new InvalidUrl(`no parameter ${name}, which the API or the web app does not support`);
  }
  const values = VALUES.get(name);
  if (value && values && !values.includes(value)) {
    throw new InvalidUrl(`${name} to be one of ${values.join(", ")}`, `${name}=${values.at(-1)}`);
  }
}

/**
 * Return the known parameters that have a value. Of a repeated one the last counts, as in libpq.
 */
function parameters(query: string): Given {
  const given = new Map<string, string>();
  for (const pair of query.split("&").filter(Boolean)) {
    const equals = pair.indexOf("=");
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? "" : decoded(pair.slice(equals + 1));
    if (equals < 0 || !/^[A-Za-z][A-Za-z0-9_.]{0,62}$/.test(name)) {
      throw new InvalidUrl("parameters of the form name=value after the question mark");
    }
    check(name, value);
    if (value && TAKEN.has(name)) given.set(name, value);
  }
  return given;
}

function place(text: string, given: Given): [host: string, port: number] {
  const match = /^(\[[^[\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(text);
  const host = given.get("host") ?? decoded(match?.[1] ?? "").replace(/^\[|\]$/g, "");
  const port = given.get("port") ?? (match?.[2] || "5432");
  if (!(match && /^[0-9]{1,5}$/.test(port)) || Number(port) < 1 || Number(port) > 65_535) {
    throw new InvalidUrl(
      "one host, and a port of 1 to 65535",
      "postgresql://user@host:5432/database",
    );
  }
  // RFC 1035 §2.3.4: a label has at most 63 characters.
  const isName = /^(?!.*[^.]{64})(?!\.)(?!.*\.\.)[A-Za-z0-9_.:%-]{1,253}$/.test(host);
  if (!(host.startsWith("/") || isName)) {
    throw new InvalidUrl(
      "one host, or the directory of a socket",
      "postgresql://user@/database?host=/var/run/postgresql",
    );
  }
  return [host, Number(port)];
}

/** @throws {InvalidUrl} for parameters that exclude each other. */
function checkTls(given: Given, mode: string, file: string | undefined): void {
  const root = given.get("sslrootcert");
  const isVerifying = VERIFYING.includes(mode);
  if (file && !isVerifying) {
    throw new InvalidUrl(
      `${file} only with sslmode=require, verify-ca or verify-full`,
      "sslmode=verify-full",
    );
  }
  if (root === "system" && mode !== "verify-full") {
    throw new InvalidUrl("sslmode=verify-full with sslrootcert=system", "sslmode=verify-full");
  }
  if (mode === "verify-ca" && !root) {
    throw new InvalidUrl(
      "sslrootcert with sslmode=verify-ca, since anybody can get a certificate of a public authority",
      "sslmode=verify-full",
    );
  }
  if (given.has("sslcert") !== given.has("sslkey")) {
    throw new InvalidUrl("sslcert and sslkey together", "sslcert=/a.crt&sslkey=/a.key");
  }
  if (given.get("sslnegotiation") === "direct" && !isVerifying) {
    throw new InvalidUrl(
      "sslmode=require or stronger with sslnegotiation=direct",
      "sslmode=require",
    );
  }
}

/** Return `sslmode` and `sslrootcert`. A socket never uses TLS. */
function tls(given: Given, isSocket: boolean): [mode: Mode, root: string | null] {
  const root = given.get("sslrootcert") ?? null;
  const file = FILES.find((name) => given.has(name));
  const usual = given.has("ssl") ? "require" : "prefer";
  const mode = given.get("sslmode") ?? (file ? "verify-full" : usual);
  checkTls(given, mode, file);
  if (isSocket) return ["disable", null];
  if (mode === "require" && root) return ["verify-ca", root];
  if (mode === "verify-full") return [mode, root ?? "system"];
  return [mode === "allow" ? "prefer" : (mode as Mode), root];
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    throw new InvalidUrl("a user");
  }
}

type Parts = { login: string; password: string; place: string; path: string; query: string };

/** Split a URL into its parts, without decoding them. */
function split(url: string): Parts {
  const match = /^postgres(?:ql)?:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(url);
  if (!match) throw new InvalidUrl("a PostgreSQL URL");
  const [, authority = "", path = "", query = ""] = match;
  const at = authority.lastIndexOf("@");
  const isUnencoded =
    url.split("@").length > (at < 0 ? 1 : 2) ||
    url.includes("#") ||
    [...url].some((character) => character <= " " || character === "\x7f");
  if (isUnencoded) throw unencoded();
  const [login = "", ...rest] = authority.slice(0, Math.max(at, 0)).split(":");
  return { login, password: rest.join(":"), place: authority.slice(at + 1), path, query };
}

/**
 * Parse a URL.
 *
 * @throws {InvalidUrl}
 */
export function readDatabaseUrl(url: string): DatabaseUrl {
  const parts = split(url);
  const given = parameters(parts.query);
  const [host, port] = place(parts.place, given);
  const user = given.get("user") ?? (decoded(parts.login) || systemUser());
  const [sslmode, sslrootcert] = tls(given, host.startsWith("/"));
  const own = VERIFYING.includes(sslmode) ? given : new Map<string, string>();
  return {
    host,
    port,
    user,
    password: given.get("password") ?? (decoded(parts.password) || null),
    database: given.get("dbname") ?? (decoded(parts.path) || user),
    sslmode,
    sslrootcert,
    sslcert: own.get("sslcert") ?? null,
    sslkey: own.get("sslkey") ?? null,
    sslnegotiation: own.get("sslnegotiation") === "direct" ? "direct" : "postgres",
    channel_binding: given.get("channel_binding") ?? "disable",
    application_name: given.get("application_name") ?? null,
    options: given.get("options") ?? null,
  };
}

function certificates(root: string): string[] {
  if (root === "system") {
    return [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
  }
  const found = readFileSync(root, "utf8").match(
    /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs,
  );
  if (!found) throw new Error("no certificate");
  return found;
}

const contexts = new Map<string, SecureContext>();

/** Cached, because reading the system's certificates takes most of the time of a connection. */
function secureContext({ sslrootcert, sslcert, sslkey }: DatabaseUrl): SecureContext {
  const key = JSON.stringify([sslrootcert, sslcert, sslkey]);
  const known = contexts.get(key);
  if (known) return known;
  let authorities: string[] | undefined;
  try {
    if (sslrootcert) authorities = certificates(sslrootcert);
    createSecureContext({ ca: authorities });
  } catch {
    throw new InvalidUrl(
      "sslrootcert to be system, or a readable file of certificates in PEM",
      "sslrootcert=system",
    );
  }
  try {
    const own = sslcert && sslkey ? { cert: readFileSync(sslcert), key: readFileSync(sslkey) } : {};
    const context = createSecureContext({ ca: authorities, ...own });
    contexts.set(key, context);
    return context;
  } catch {
    throw new InvalidUrl(
      "sslcert and sslkey to be readable files in PEM, of a certificate and its key without a passphrase",
      "sslcert=/a.crt&sslkey=/a.key",
    );
  }
}

/**
 * Return pg's TLS options for a URL, or false for a connection without TLS.
 *
 * @throws {InvalidUrl} for a file that cannot be read.
 */
export function tlsOptions(url: DatabaseUrl): ConnectionOptions | false {
  switch (url.sslmode) {
    case "disable":
      return false;
    case "prefer":
      return { rejectUnauthorized: false };
    case "require":
      return { rejectUnauthorized: false, secureContext: secureContext(url) };
    case "verify-ca":
      return { secureContext: secureContext(url), checkServerIdentity: () => undefined };
    case "verify-full":
      return { secureContext: secureContext(url) };
  }
}

import { BlockList, isIP } from "node:net";

/** What the environment says, checked. Read when the server runs, never when it is built. */
export type Config = {
  /** Signs Better Auth's cookies; the access token's key is derived from it. */
  readonly secret: string;
  /** Where browsers reach this app: an origin without a trailing slash. */
  readonly baseUrl: string;
  /** Where browsers reach the GraphQL API. */
  readonly apiUrl: string;
  readonly databaseUrl: string;
  /** For migrations: a session-level lock does not survive a transaction pooler. */
  readonly unpooledDatabaseUrl: string;
  readonly issuer: string;
  readonly audience: string;
  /** How long an access token lives, in seconds. */
  readonly accessTokenMaxAge: number;
  readonly trustedProxies: BlockList;
};

/** 31 days in seconds, the same bound as the API's. */
const LONGEST_TOKEN_AGE = 2_678_400;

export type Environment = Readonly<Record<string, string | undefined>>;

/** One line that names the variable, what was expected and an example; never its value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(variable: string, expected: string, example: string) {
    super(`${variable}: expected ${expected}, for example ${example}`);
  }
}

function required(env: Environment, variable: string, expected: string, example: string): string {
  const value = env[variable];
  if (!value) throw new ConfigError(variable, expected, example);
  return value;
}

function origin(variable: string, value: string, example: string): string {
  const url = URL.parse(value);
  const isOrigin =
    url !== null &&
    ["http:", "https:"].includes(url.protocol) &&
    url.pathname === "/" &&
    !value.includes("?") &&
    !value.includes("#") &&
    url.username === "" &&
    url.password === "";
  if (!isOrigin) throw new ConfigError(variable, "an http or https origin without a path", example);
  return url.origin;
}

function secret(env: Environment): string {
  const variable = "BETTER_AUTH_SECRET";
  const expected = "at least 32 bytes of UTF-8";
  const example = 'the output of: python3 -c "import secrets; print(secrets.token_urlsafe(32))"';
  const value = required(env, variable, expected, example);
  if (Buffer.byteLength(value, "utf8") < 32) throw new ConfigError(variable, expected, example);
  return value;
}

function postgresUrl(env: Environment, variable: string): string {
  const expected = "a PostgreSQL URL";
  const example = "postgresql://user:password@host:5432/database";
  const value = required(env, variable, expected, example);
  // Not parsed further here: `postgresql://postgres@/postgres?host=/socket/dir` is right, and no URL to WHATWG.
  if (!/^postgres(ql)?:\/\//.test(value)) throw new ConfigError(variable, expected, example);
  return value;
}

function seconds(env: Environment, variable: string, fallback: number): number {
  const value = env[variable];
  if (!value) return fallback;
  if (!/^[1-9]\d{0,6}$/.test(value) || Number(value) > LONGEST_TOKEN_AGE) {
    const expected = `a whole number of seconds, 1 to ${LONGEST_TOKEN_AGE}`;
    throw new ConfigError(variable, expected, String(fallback));
  }
  return Number(value);
}

/** The literal `off` stops the API from checking a claim; a token carries it all the same. */
function claim(env: Environment, variable: string, fallback: string): string {
  const value = env[variable];
  return !value || value === "off" ? fallback : value;
}

function addresses(env: Environment, variable: string): BlockList {
  const list = new BlockList();
  const entries = (env[variable] ?? "").split(",").map((entry) => entry.trim());
  for (const entry of entries.filter(Boolean)) {
    const [address = "", prefix, ...rest] = entry.split("/");
    const version = isIP(address);
    const bits = version === 6 ? 128 : 32;
    const prefixIsValid =
      prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
    if (version === 0 || !prefixIsValid || rest.length > 0) {
      throw new ConfigError(
        variable,
        "addresses or networks separated by commas",
        "10.0.0.0/8,::1",
      );
    }
    list.addSubnet(
      address,
      prefix === undefined ? bits : Number(prefix),
      version === 6 ? "ipv6" : "ipv4",
    );
  }
  return list;
}

/** @throws {ConfigError} for the first variable that makes no sense. */
export function readConfig(env: Environment): Config {
  const example = "http://localhost:3000";
  const baseUrl = origin(
    "NEXT_PUBLIC_BETTER_AUTH_URL",
    required(
      env,
      "NEXT_PUBLIC_BETTER_AUTH_URL",
      "the origin where browsers reach this app",
      example,
    ),
    example,
  );
  const databaseUrl = postgresUrl(env, "DATABASE_URL");
  return {
    secret: secret(env),
    baseUrl,
    apiUrl: origin("API_URL", env.API_URL || "http://localhost:8000", "http://localhost:8000"),
    databaseUrl,
    unpooledDatabaseUrl: env.DATABASE_URL_UNPOOLED
      ? postgresUrl(env, "DATABASE_URL_UNPOOLED")
      : databaseUrl,
    issuer: claim(env, "JWT_ISSUER", baseUrl),
    audience: claim(env, "JWT_AUDIENCE", baseUrl),
    accessTokenMaxAge: seconds(env, "ACCESS_TOKEN_MAX_AGE", 86_400),
    trustedProxies: addresses(env, "TRUSTED_PROXIES"),
  };
}

let read: Config | undefined;

/**
 * The running server's configuration.
 *
 * `process.env` goes through as an object: written out as `process.env.NEXT_PUBLIC_…`, Next would
 * replace it by the value at build time, on the server too, and one image could not serve any host.
 */
export function config(): Config {
  read ??= readConfig(process.env);
  return read;
}

import { BlockList, isIP } from "node:net";
import { InvalidUrl, readDatabaseUrl, tlsOptions } from "./database-url";

/**
 * The checked environment variables. They are read when the server starts, never during the build.
 */
export type Config = {
  /** Signs Better Auth's cookies. The keys that are shared with the API are derived from it. */
  readonly secret: string;
  /**
   * The secret before the current one. Cookies signed with it are still accepted; nothing is signed
   * with it.
   */
  readonly previousSecret: string | undefined;
  /** The origin of this app for browsers, without a trailing slash. */
  readonly baseUrl: string;
  /** The origin of the GraphQL API for browsers. */
  readonly apiUrl: string;
  /** The URL of the API's endpoint for security events, for this server. */
  readonly eventsUrl: string;
  /** The URL of the GraphQL API for this server: beside the endpoint for events. */
  readonly graphqlUrl: string;
  /** The mail server. Without one, mails are printed to the log. */
  readonly smtpUrl: string | undefined;
  /** The sender of mails. */
  readonly mailFrom: string;
  readonly databaseUrl: string;
  /** Used for migrations: a session-level lock does not work through a transaction pooler. */
  readonly unpooledDatabaseUrl: string;
  readonly issuer: string;
  readonly audience: string;
  /** The lifetime of an access token, in seconds. */
  readonly accessTokenMaxAge: number;
  /**
   * Whether tokens are signed with a key shared with the API, or with a key pair whose public key
   * is served.
   */
  readonly tokenSigning: TokenSigning;
  /** The algorithm of new key pairs. */
  readonly tokenAlgorithm: TokenAlgorithm;
  /** How long a key pair signs, in seconds. */
  readonly keyRotation: number;
  readonly trustedProxies: BlockList;
  /** The format of the log's lines. */
  readonly logFormat: LogFormat;
  /** Whether each request below `/api` of the web app is logged. */
  readonly accessLog: boolean;
  /** Whether the API runs only the documents of this app (trusted documents). */
  readonly trustedDocumentsOnly: boolean;
  /** The port of 127.0.0.1 for metrics. Without one, nothing is counted. */
  readonly metricsPort: number | undefined;
};

const TOKEN_SIGNINGS = ["shared-secret", "key-set"] as const;
type TokenSigning = (typeof TOKEN_SIGNINGS)[number];

const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

const TOKEN_ALGORITHMS = ["EdDSA", "ES256", "RS256", "PS256"] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

/** 31 days in seconds, the same limit as in the API. */
const LONGEST_TOKEN_AGE = 2_678_400;
/** 30 days in seconds. */
const KEY_ROTATION = 2_592_000;

export type Environment = Readonly<Record<string, string | undefined>>;

/** An invalid variable: its name, what was expected and an example, never its value. */
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

function httpUrl(variable: string, value: string, example: string): string {
  const url = URL.parse(value);
  const isPlain =
    url !== null &&
    ["http:", "https:"].includes(url.protocol) &&
    !value.includes("#") &&
    url.username === "" &&
    url.password === "";
  if (!isPlain) throw new ConfigError(variable, "an http or https URL", example);
  return url.href;
}

const SECRET_FORMAT = "at least 32 bytes of UTF-8";
const SECRET_EXAMPLE =
  'the output of: python3 -c "import secrets; print(secrets.token_urlsafe(32))"';

function longEnough(variable: string, value: string): string {
  if (Buffer.byteLength(value, "utf8") < 32) {
    throw new ConfigError(variable, SECRET_FORMAT, SECRET_EXAMPLE);
  }
  return value;
}

function secret(env: Environment): string {
  const variable = "BETTER_AUTH_SECRET";
  return longEnough(variable, required(env, variable, SECRET_FORMAT, SECRET_EXAMPLE));
}

function previousSecret(env: Environment): string | undefined {
  const variable = "BETTER_AUTH_SECRET_PREVIOUS";
  const value = env[variable];
  if (!value) return undefined;
  if (value === env.BETTER_AUTH_SECRET) {
    const expected = "another secret than BETTER_AUTH_SECRET";
    throw new ConfigError(variable, expected, "what BETTER_AUTH_SECRET was before, or nothing");
  }
  return longEnough(variable, value);
}

function postgresUrl(env: Environment, variable: string): string {
  const example = "postgresql://user:password@host:5432/database";
  const value = required(env, variable, "a PostgreSQL URL", example);
  try {
    tlsOptions(readDatabaseUrl(value));
  } catch (error) {
    if (!(error instanceof InvalidUrl)) throw error;
    throw new ConfigError(variable, error.expected, error.example);
  }
  return value;
}

function smtpUrl(env: Environment): string | undefined {
  const value = env.SMTP_URL;
  if (!value) return undefined;
  const url = URL.parse(value);
  if (!(url?.hostname && ["smtp:", "smtps:"].includes(url.protocol))) {
    throw new ConfigError("SMTP_URL", "an smtp or smtps URL", "smtps://user:password@host:465");
  }
  return value;
}

type Seconds = { fallback: number; least: number; most: number };

function seconds(env: Environment, variable: string, { fallback, least, most }: Seconds): number {
  const value = env[variable];
  if (!value) return fallback;
  if (!/^[1-9]\d{0,8}$/.test(value) || Number(value) < least || Number(value) > most) {
    const expected = `a whole number of seconds, ${least} to ${most}`;
    throw new ConfigError(variable, expected, String(fallback));
  }
  return Number(value);
}

function port(env: Environment, variable: string): number | undefined {
  const value = env[variable];
  if (!value) return undefined;
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) {
    throw new ConfigError(variable, "a port, 0 to 65535", "9464");
  }
  return Number(value);
}

/** Return the value of the variable, or the first of the allowed values if it is not set. */
function oneOf<const T extends string>(
  env: Environment,
  variable: string,
  values: readonly [T, ...T[]],
): T {
  const value = env[variable];
  if (!value) return values[0];
  const known = values.find((one) => one === value);
  if (known === undefined) {
    throw new ConfigError(variable, `one of ${values.join(", ")}`, values[0]);
  }
  return known;
}

/**
 * Return the claim. The value `off` stops the API from checking it; the token carries the default
 * then.
 */
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

/**
 * Read and check the configuration.
 *
 * @throws {ConfigError} for the first invalid variable.
 */
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
  const apiUrl = origin("API_URL", env.API_URL || "http://localhost:8000", "http://localhost:8000");
  const accessTokenMaxAge = seconds(env, "ACCESS_TOKEN_MAX_AGE", {
    fallback: 86_400,
    least: 1,
    most: LONGEST_TOKEN_AGE,
  });
  // The API listens on 127.0.0.1 by default, and a hosts file may resolve `localhost` to ::1 only.
  const nearApiUrl = apiUrl.replace(/^http:\/\/localhost(?=:|$)/, "http://127.0.0.1");
  const eventsUrl = httpUrl(
    "EVENTS_URL",
    env.EVENTS_URL || `${nearApiUrl}/events`,
    "http://api:8000/events",
  );
  return {
    secret: secret(env),
    previousSecret: previousSecret(env),
    baseUrl,
    apiUrl,
    eventsUrl,
    graphqlUrl: new URL("graphql", eventsUrl).href,
    smtpUrl: smtpUrl(env),
    mailFrom: env.MAIL_FROM || `Bearer Tasks <no-reply@${new URL(baseUrl).hostname}>`,
    databaseUrl,
    unpooledDatabaseUrl: env.DATABASE_URL_UNPOOLED
      ? postgresUrl(env, "DATABASE_URL_UNPOOLED")
      : databaseUrl,
    issuer: claim(env, "JWT_ISSUER", baseUrl),
    audience: claim(env, "JWT_AUDIENCE", baseUrl),
    accessTokenMaxAge,
    tokenSigning: oneOf(env, "TOKEN_SIGNING", TOKEN_SIGNINGS),
    tokenAlgorithm: oneOf(env, "TOKEN_ALGORITHM", TOKEN_ALGORITHMS),
    keyRotation: seconds(env, "JWKS_ROTATION", {
      fallback: KEY_ROTATION,
      // A key is served for the lifetime of its tokens and two more minutes. With a faster rotation
      // there would be more keys than the 32 that an API reads.
      least: Math.ceil((accessTokenMaxAge + 120) / 20),
      most: 31_536_000,
    }),
    trustedDocumentsOnly: oneOf(env, "TRUSTED_DOCUMENTS_ONLY", ["0", "1"]) === "1",
    trustedProxies: addresses(env, "TRUSTED_PROXIES"),
    logFormat: oneOf(env, "LOG_FORMAT", LOG_FORMATS),
    accessLog: oneOf(env, "ACCESS_LOG", ["0", "1"]) === "1",
    metricsPort: port(env, "METRICS_PORT"),
  };
}

let read: Config | undefined;

/**
 * Return the configuration of the running server.
 *
 * `process.env` is passed as an object: Next would replace `process.env.NEXT_PUBLIC_…` by its value
 * at build time, also on the server, and one image could not serve every host.
 */
export function config(): Config {
  read ??= readConfig(process.env);
  return read;
}

import { describe, expect, test } from "vitest";
import { ConfigError, type Environment, readConfig } from "../lib/config";

const VALID = {
  BETTER_AUTH_SECRET: "0123456789abcdef0123456789abcdef",
  NEXT_PUBLIC_BETTER_AUTH_URL: "https://tasks.example",
  DATABASE_URL: "postgresql://postgres@/postgres?host=/run/postgresql",
} satisfies Environment;

const read = (changes: Environment = {}) => readConfig({ ...VALID, ...changes });

function problem(changes: Environment): string {
  try {
    read(changes);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("configuration", () => {
  test("three variables are enough", () => {
    expect(read()).toMatchObject({
      baseUrl: "https://tasks.example",
      apiUrl: "http://localhost:8000",
      issuer: "https://tasks.example",
      audience: "https://tasks.example",
      accessTokenMaxAge: 86_400,
      unpooledDatabaseUrl: VALID.DATABASE_URL,
    });
  });

  test.each(Object.keys(VALID))(
    "a missing %s is reported in one line, with what is expected and an example",
    (variable) => {
      for (const value of [undefined, ""]) {
        expect(problem({ [variable]: value })).toMatch(
          new RegExp(`^${variable}: expected .+, for example .+$`),
        );
      }
    },
  );

  test("the mail server needs an SMTP URL", () => {
    expect(read().smtpUrl).toBeUndefined();
    expect(read({ SMTP_URL: "smtps://user:pass@mail.example:465" }).smtpUrl).toContain("smtps:");
    expect(read().mailFrom).toBe("Bearer Tasks <no-reply@tasks.example>");
    for (const wrong of ["mail.example", "https://mail.example", "smtp://"]) {
      expect(problem({ SMTP_URL: wrong })).toMatch(/^SMTP_URL: expected .+, for example .+$/);
    }
  });

  test("a secret is measured in bytes, never trimmed and never shown", () => {
    expect(problem({ BETTER_AUTH_SECRET: "x".repeat(31) })).toContain("32 bytes");
    expect(problem({ BETTER_AUTH_SECRET: "hunter2" })).not.toContain("hunter2");
    expect(read({ BETTER_AUTH_SECRET: "é".repeat(16) }).secret).toBe("é".repeat(16));
    expect(read({ BETTER_AUTH_SECRET: ` ${"x".repeat(30)}\n` }).secret).toBe(
      ` ${"x".repeat(30)}\n`,
    );
  });

  test("a previous secret has the same minimum length, differs, and is optional", () => {
    const variable = "BETTER_AUTH_SECRET_PREVIOUS";
    expect(read().previousSecret).toBeUndefined();
    expect(read({ [variable]: "" }).previousSecret).toBeUndefined();
    expect(read({ [variable]: "x".repeat(32) }).previousSecret).toBe("x".repeat(32));
    expect(problem({ [variable]: "hunter2" })).toMatch(/^BETTER_AUTH_SECRET_PREVIOUS: .*32 bytes/);
    expect(problem({ [variable]: "hunter2" })).not.toContain("hunter2");
    expect(problem({ [variable]: VALID.BETTER_AUTH_SECRET })).toContain("another secret");
    expect(problem({ [variable]: VALID.BETTER_AUTH_SECRET })).not.toContain("0123");
  });

  test("tokens are signed with the shared secret, or with a key set of a known algorithm", () => {
    expect(read()).toMatchObject({ tokenSigning: "shared-secret", tokenAlgorithm: "EdDSA" });
    expect(read({ TOKEN_SIGNING: "", TOKEN_ALGORITHM: "" })).toMatchObject({
      tokenSigning: "shared-secret",
      tokenAlgorithm: "EdDSA",
    });
    expect(read({ TOKEN_SIGNING: "key-set", TOKEN_ALGORITHM: "PS256" })).toMatchObject({
      tokenSigning: "key-set",
      tokenAlgorithm: "PS256",
    });
    for (const value of ["jwks", "Key-Set", " key-set"]) {
      expect(problem({ TOKEN_SIGNING: value })).toBe(
        "TOKEN_SIGNING: expected one of shared-secret, key-set, for example shared-secret",
      );
    }
    for (const value of ["HS256", "none", "eddsa", "RS512"]) {
      expect(problem({ TOKEN_ALGORITHM: value })).toContain("EdDSA, ES256, RS256, PS256");
    }
  });

  test("keys rotate at most twenty times while one is served", () => {
    expect(read().keyRotation).toBe(30 * 86_400);
    expect(problem({ JWKS_ROTATION: "4325" })).toContain("4326 to 31536000");
    expect(read({ JWKS_ROTATION: "4326" }).keyRotation).toBe(4326);
    expect(problem({ JWKS_ROTATION: "6", ACCESS_TOKEN_MAX_AGE: "1" })).toContain("7 to 31536000");
    expect(read({ JWKS_ROTATION: "7", ACCESS_TOKEN_MAX_AGE: "1" }).keyRotation).toBe(7);
  });

  test.each([
    "tasks.example",
    "ftp://tasks.example",
    "https://tasks.example/app",
    "https://tasks.example/?x",
    "https://tasks.example/#x",
    "https://ada@tasks.example",
  ])("%s is not an origin", (url) => {
    expect(problem({ NEXT_PUBLIC_BETTER_AUTH_URL: url })).toContain("NEXT_PUBLIC_BETTER_AUTH_URL");
    expect(problem({ API_URL: url })).toContain("API_URL");
  });

  test("an origin's trailing slash does not matter", () => {
    expect(read({ NEXT_PUBLIC_BETTER_AUTH_URL: "https://tasks.example/" }).issuer).toBe(
      "https://tasks.example",
    );
  });

  test.each(["off", "", undefined])("issuer and audience %j are the app's own URL", (value) => {
    const { issuer, audience } = read({ JWT_ISSUER: value, JWT_AUDIENCE: value });
    expect([issuer, audience]).toEqual(["https://tasks.example", "https://tasks.example"]);
  });

  test("security events go to the API, or to EVENTS_URL", () => {
    // The API does not listen on ::1, to which a hosts file may resolve `localhost`.
    expect(read().eventsUrl).toBe("http://127.0.0.1:8000/events");
    expect(read({ API_URL: "http://localhost" }).eventsUrl).toBe("http://127.0.0.1/events");
    expect(read({ API_URL: "https://localhost:1" }).eventsUrl).toBe("https://localhost:1/events");
    expect(read({ API_URL: "http://localhost.example" }).eventsUrl).toBe(
      "http://localhost.example/events",
    );
    expect(read({ API_URL: "https://api.example/", EVENTS_URL: "" }).eventsUrl).toBe(
      "https://api.example/events",
    );
    expect(read({ EVENTS_URL: "http://api:8000/events" }).eventsUrl).toBe("http://api:8000/events");
    for (const url of ["/events", "api:8000/events", "http://u:p@api/events", "http://api/#x"]) {
      expect(problem({ EVENTS_URL: url })).toBe(
        "EVENTS_URL: expected an http or https URL, for example http://api:8000/events",
      );
    }
  });

  test("issuer and audience can be set", () => {
    const { issuer, audience } = read({ JWT_ISSUER: "issuer", JWT_AUDIENCE: "audience" });
    expect([issuer, audience]).toEqual(["issuer", "audience"]);
  });

  test.each(["0", "-5", "1.5", "24h", " 60", "1e3"])("a token cannot live %j seconds", (value) => {
    expect(problem({ ACCESS_TOKEN_MAX_AGE: value })).toContain("ACCESS_TOKEN_MAX_AGE");
  });

  test.each(["mysql://host/db", "host=localhost", "/run/postgresql"])(
    "%s is no URL of PostgreSQL",
    (url) => {
      expect(problem({ DATABASE_URL: url })).toContain("DATABASE_URL");
    },
  );

  test("an unknown parameter of DATABASE_URL is named, without values", () => {
    for (const variable of ["DATABASE_URL", "DATABASE_URL_UNPOOLED"]) {
      expect(problem({ [variable]: "postgresql://ada@db.example/t?service=hunter2" })).toMatch(
        new RegExp(`^${variable}: expected no parameter service, .+, for example .+$`),
      );
      const told = problem({ [variable]: "postgresql://ada:hunter2#@db.example/t" });
      expect(told).toContain("percent-encoded");
      expect(told).not.toContain("hunter2");
    }
  });

  test("migrations use the unpooled URL if there is one", () => {
    const unpooled = "postgres://ada@db.example/tasks";
    expect(read({ DATABASE_URL_UNPOOLED: unpooled }).unpooledDatabaseUrl).toBe(unpooled);
  });
});

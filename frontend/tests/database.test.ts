import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createPool, poolOptions, watchDatabase, watchedPool } from "../lib/database";
import { readDatabaseUrl } from "../lib/database-url";

type Case = { url: string; says?: object; refused?: string };

const CASES: Case[] = JSON.parse(
  readFileSync(`${import.meta.dirname}/../../tests/database_urls.json`, "utf8"),
);

describe("a database URL", () => {
  const base = readDatabaseUrl(CASES[0]?.url ?? "");

  // The API is tested with the same table, and tests/postgres/test_url.py connects with both.
  test.each(CASES)("$url is parsed as the table says", ({ url, says, refused }) => {
    if (refused === undefined) expect(readDatabaseUrl(url)).toEqual({ ...base, ...says });
    else expect(() => readDatabaseUrl(url)).toThrow(expect.objectContaining({ message: refused }));
  });

  test("of a socket uses no TLS", () => {
    const url = "postgresql://postgres@/postgres?host=/run/postgresql";
    expect(createPool(url).options).toMatchObject({
      host: "/run/postgresql",
      port: 5432,
      user: "postgres",
      database: "postgres",
      ssl: false,
    });
  });

  test("as Neon shows it uses TLS and channel binding", () => {
    const url =
      "postgresql://ada:p%40ss@ep-x-pooler.eu.neon.example/db?sslmode=require&channel_binding=require";
    expect(poolOptions(url)).toMatchObject({
      password: "p@ss",
      enableChannelBinding: true,
      ssl: { rejectUnauthorized: false },
    });
  });

  test("that verifies certificates reads the system's once", () => {
    const url = "postgresql://ada@db.example/tasks?sslmode=verify-full";
    const { ssl } = poolOptions(url);
    expect(ssl).toHaveProperty("secureContext");
    expect(poolOptions(`${url}&pgbouncer=true`).ssl).toEqual(ssl);
  });
});

describe("watching the database", () => {
  const unreachable = () =>
    watchedPool(createPool("postgresql://postgres@/postgres?host=/nonexistent"));

  test("reports a failure that the work ignored", async () => {
    const pool = unreachable();
    const work = async () => pool.connect().catch(() => "no session");
    expect(await watchDatabase(work)).toEqual({ failure: "unavailable" });
  });

  test("reports a failure that the work threw, and throws other errors", async () => {
    const pool = unreachable();
    expect(await watchDatabase(() => pool.connect())).toEqual({ failure: "unavailable" });
    const fault = async () => Promise.reject(new Error("a fault"));
    await expect(watchDatabase(fault)).rejects.toThrow("a fault");
  });

  test("reports only the failures of the same work", async () => {
    const pool = unreachable();
    const failing = watchDatabase(() => pool.connect().catch(() => null));
    const fine = watchDatabase(async () => "fine");
    expect(await failing).toEqual({ failure: "unavailable" });
    expect(await fine).toEqual({ result: "fine" });
  });
});

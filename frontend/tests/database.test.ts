import { describe, expect, test } from "vitest";
import { createPool, poolOptions, watchDatabase, watchedPool } from "../lib/database";

describe("a database URL", () => {
  test("of a socket goes through as it is", () => {
    const url = "postgresql://postgres@/postgres?host=/run/postgresql";
    const { connectionString } = poolOptions(url);
    expect(new URLSearchParams(connectionString?.split("?")[1]).get("host")).toBe(
      "/run/postgresql",
    );
    expect(createPool(url).options).toMatchObject({ connectionString });
  });

  test("as Neon prints it asks for TLS and for channel binding", () => {
    const url =
      "postgresql://ada:p%40ss@ep-x-pooler.eu.neon.example/db?sslmode=require&channel_binding=require";
    const { connectionString, enableChannelBinding } = poolOptions(url);
    expect(connectionString).toBe(
      "postgresql://ada:p%40ss@ep-x-pooler.eu.neon.example/db?sslmode=require&uselibpqcompat=true",
    );
    expect(enableChannelBinding).toBe(true);
  });

  test("without parameters gets none", () => {
    const url = "postgres://ada@db.example/tasks";
    expect(poolOptions(url)).toMatchObject({ connectionString: url, enableChannelBinding: false });
  });
});

describe("watching the database", () => {
  const unreachable = () =>
    watchedPool(createPool("postgresql://postgres@/postgres?host=/nonexistent"));

  test("tells of a failure that the work swallowed", async () => {
    const pool = unreachable();
    const work = async () => pool.connect().catch(() => "no session");
    expect(await watchDatabase(work)).toEqual(["no session", "unavailable"]);
  });

  test("tells of one's own failures alone", async () => {
    const pool = unreachable();
    const failing = watchDatabase(() => pool.connect().catch(() => null));
    const fine = watchDatabase(async () => "fine");
    expect(await failing).toEqual([null, "unavailable"]);
    expect(await fine).toEqual(["fine", null]);
  });
});

import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bypassProxies } from "../lib/proxies";

const OWN = {
  baseUrl: "https://tasks.example",
  apiUrl: "https://api.example:8443",
  eventsUrl: "http://api.internal:8000/events",
};

describe("our own hosts", () => {
  test("are added to those in NO_PROXY", () => {
    const env: Record<string, string | undefined> = { NO_PROXY: ".corp.example, localhost" };
    bypassProxies(env, OWN);
    expect(env.no_proxy).toBe(
      ".corp.example,localhost,127.0.0.1,[::1],tasks.example,api.example,api.internal",
    );
  });

  test("are not added if no host uses a proxy", () => {
    const env: Record<string, string | undefined> = { no_proxy: "*" };
    bypassProxies(env, OWN);
    expect(env).toEqual({ no_proxy: "*" });
  });
});

const listening = (server: Server, host: string) =>
  new Promise<number>((resolve) => {
    server.listen(0, host, () => resolve((server.address() as AddressInfo).port));
  });

describe("behind a proxy", () => {
  const asked: string[] = [];
  const target = createServer((_, response) => response.end("direct"));
  const proxy = createServer();
  proxy.on("connect", ({ url }, socket) => {
    asked.push(url ?? "");
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  let port = 0;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    port = await listening(target, "127.0.0.1");
    const proxyPort = await listening(proxy, "127.0.0.1");
    env = { NODE_ENV: "test", NODE_USE_ENV_PROXY: "1" };
    env.HTTP_PROXY = `http://127.0.0.1:${proxyPort}`;
  });
  afterAll(() => {
    target.close();
    proxy.close();
  });

  const fetched = async (before: string) => {
    const script = `${before}
      const url = "http://localhost:${port}/events";
      fetch(url).then((answer) => answer.text(), () => "proxied").then(console.log);`;
    const flags = ["--no-warnings", "--input-type=module", "-e", script];
    const options = { env, cwd: import.meta.dirname };
    const { stdout } = await promisify(execFile)(process.execPath, flags, options);
    return stdout.trim();
  };

  test("Node reaches this machine through it until the server has started", async () => {
    expect(await fetched("")).toBe("proxied");
    expect(asked).toEqual([`localhost:${port}`]);
    const start = `import { bypassProxies } from "${import.meta.dirname}/../lib/proxies.ts";
      bypassProxies(process.env, ${JSON.stringify(OWN)});`;
    expect(await fetched(start)).toBe("direct");
    expect(asked).toHaveLength(1);
  });
});

import { createServer } from "node:net";
import { expect, test, vi } from "vitest";

/** A mail server for one mail, with a minimal SMTP (RFC 5321). */
function mailServer() {
  let text = "";
  let inData = false;
  const server = createServer((socket) => {
    socket.setEncoding("utf8");
    socket.write("220 here\r\n");
    socket.on("data", (said: string) => {
      text += said;
      if (inData && text.endsWith("\r\n.\r\n")) {
        inData = false;
        socket.write("250 taken\r\n");
      } else if (!inData) {
        inData = /^DATA\r\n/m.test(said);
        socket.write(inData ? "354 go on\r\n" : "250 ok\r\n");
      }
    });
  });
  return new Promise<{ port: number; text: () => string; close: () => void }>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      resolve({ port, text: () => text, close: () => server.close() });
    });
  });
}

test("a mail is sent through the server of SMTP_URL", async () => {
  const server = await mailServer();
  vi.stubEnv("BETTER_AUTH_SECRET", "0123456789abcdef0123456789abcdef");
  vi.stubEnv("NEXT_PUBLIC_BETTER_AUTH_URL", "https://tasks.example");
  vi.stubEnv("DATABASE_URL", "postgresql://nobody@127.0.0.1/none");
  vi.stubEnv("SMTP_URL", `smtp://127.0.0.1:${server.port}`);
  const { sendMail } = await import("../lib/mail");
  await sendMail({ to: "ada@example.com", subject: "Choose", text: "https://tasks.example/x" });
  expect(server.text()).toContain("MAIL FROM:<no-reply@tasks.example>");
  expect(server.text()).toContain("RCPT TO:<ada@example.com>");
  expect(server.text()).toContain("https://tasks.example/x");
  server.close();
  vi.unstubAllEnvs();
});

test("addresses of one mailbox share a quota", async () => {
  const { mailboxOf } = await import("../lib/mail-limit");
  expect(mailboxOf("Ada+tasks@Example.com")).toBe("ada@example.com");
  expect(mailboxOf("a.d.a@example.com")).toBe("a.d.a@example.com");
  expect(mailboxOf("A.d.a+x@googlemail.com")).toBe(mailboxOf("ada@gmail.com"));
});

import { expect, test } from "vitest";
import { describeDevice } from "../lib/device";

const WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
const MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
const LIKE_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const LIKE_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)";

test.each([
  [`${WINDOWS} ${LIKE_CHROME}`, "Chrome on Windows"],
  [`${WINDOWS} ${LIKE_CHROME} Edg/131.0.0.0`, "Edge on Windows"],
  [`${WINDOWS} ${LIKE_CHROME} OPR/115.0.0.0`, "Opera on Windows"],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox on Linux"],
  [`${MAC} ${LIKE_SAFARI} Version/18.1 Safari/605.1.15`, "Safari on Mac"],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) ${LIKE_SAFARI} Version/18.1 Mobile/15E148 Safari/604.1`,
    "Safari on iPhone",
  ],
  [
    `Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) ${LIKE_SAFARI} CriOS/131.0 Mobile/15E148 Safari/604.1`,
    "Chrome on iPad",
  ],
  [`Mozilla/5.0 (Linux; Android 10; K) ${LIKE_CHROME}`, "Chrome on Android"],
  [
    `Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36`,
    "Samsung Internet on Android",
  ],
  [`Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${LIKE_CHROME}`, "Chrome on ChromeOS"],
  [`${MAC} ${LIKE_SAFARI}`, "A browser on Mac"],
  ["curl/8.11.0", "curl"],
  ["python-httpx/0.28.1", "python-httpx"],
  ["Mozilla/5.0", "Mozilla"],
  ["<b>\u202ehello", "An unknown device"],
  ["", "An unknown device"],
  [null, "An unknown device"],
])("%s is %s", (userAgent, device) => {
  expect(describeDevice(userAgent)).toBe(device);
});

test("a User-Agent that is made to slow down the search does not", () => {
  const began = performance.now();
  for (let row = 0; row < 100; row += 1) describeDevice("Version/".repeat(1900));
  expect(performance.now() - began).toBeLessThan(1000);
});

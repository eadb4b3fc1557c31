import { expect, test } from "vitest";
import { isCommonPassword } from "../lib/common-passwords";

test.each(["password", "PASSWORD", "12345678", "qwerty123", "P@ssw0rd", "aaaaaaaa", "12121212"])(
  "%s is one of the first to be tried",
  (password) => expect(isCommonPassword(password)).toBe(true),
);

test.each(["correct horse", "battery staple", "Tr0ub4dor&3", "hasOwnProperty", "__proto__"])(
  "%j is not",
  (password) => expect(isCommonPassword(password)).toBe(false),
);

test("the person's own address is easy to guess, another address is not", () => {
  expect(isCommonPassword("Ada.Lovelace", "ada.lovelace@example.com")).toBe(true);
  expect(isCommonPassword("ada.lovelace@example.com", "Ada.Lovelace@Example.com")).toBe(true);
  expect(isCommonPassword("ada.lovelace", "bob@example.com")).toBe(false);
});

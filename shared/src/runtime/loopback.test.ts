// Loopback by name and by address, and what only looks like it.
import { expect, test } from "vitest";
import { isLoopback } from "./loopback.ts";

test.each(["localhost", "127.0.0.1", "127.3.2.1", "::1", "[::1]", "::ffff:127.0.0.1"])(
  "[A230] %s is this machine",
  (host) => {
    expect(isLoopback(host)).toBe(true);
  },
);

test.each([
  "127.evil.example",
  "127.0.0.1.evil.example",
  "localhost.evil.example",
  "0.0.0.0",
  "::",
  "",
  "10.0.0.1",
  "::ffff:10.0.0.1",
])("[A230] %s is not", (host) => {
  expect(isLoopback(host)).toBe(false);
});

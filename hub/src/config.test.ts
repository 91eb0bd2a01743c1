// What flags and environment mean together, and which of their values are refused by name.
import { expect, test } from "vitest";
import { parseHubConfig } from "./config.ts";

test("[A50] defaults: this machine only, and the usual folder", () => {
  expect(parseHubConfig({}, {}, true)).toEqual({
    ok: true,
    value: {
      dataDir: "/var/lib/skerry/hub",
      host: "127.0.0.1",
      port: 7443,
      logLevel: "info",
      newAdminToken: false,
      newSigningKey: false,
      plainWords: true,
      front: { kind: "own" },
      newHubKey: false,
    },
  });
});

test("[A50] flags win over environment, and an empty variable counts as none", () => {
  const env = { SKERRY_DATA: "/env", SKERRY_LISTEN: "0.0.0.0:1", SKERRY_LOG_LEVEL: "" };
  expect(parseHubConfig({ data: "/flag" }, env, false)).toMatchObject({
    ok: true,
    value: { dataDir: "/flag", host: "0.0.0.0", port: 1, logLevel: "info", plainWords: false },
  });
});

test.each([
  ["[::1]:80", "::1", 80],
  ["[::]:0", "::", 0],
  ["localhost:7443", "localhost", 7443],
])("[A50] --listen %s", (listen, host, port) => {
  expect(parseHubConfig({ listen }, {}, false)).toMatchObject({ ok: true, value: { host, port } });
});

test.each([
  [{ listen: "7443" }, {}, /^--listen must be HOST:PORT/],
  [{ listen: "::1:80" }, {}, /^--listen must be HOST:PORT/],
  [{ listen: "host:70000" }, {}, /^--listen the port must be at most 65535/],
  [{ listen: "" }, {}, /^--listen/],
  [{ data: "" }, {}, /^--data must name a folder/],
  [{ data: "a\0b" }, {}, /^--data/],
  [{ logLevel: "loud" }, {}, /^--log-level must be debug, info, warn or error/],
  [{}, { SKERRY_LISTEN: "x" }, /^SKERRY_LISTEN must be/],
  [{}, { SKERRY_LOG_LEVEL: "loud" }, /^SKERRY_LOG_LEVEL must be/],
] as const)("[A50] %j with %j is refused by name", (flags, env, message) => {
  expect(parseHubConfig(flags, env, false)).toEqual({ ok: false, error: expect.stringMatching(message) });
});

const PIN = "a".repeat(64);
test.each([
  [{}, {}, { kind: "own" }],
  [{ plain: true }, {}, { kind: "plain" }],
  [{}, { SKERRY_PLAIN: "1" }, { kind: "plain" }],
  [{ behindProxy: PIN, listen: "10.0.0.5:80" }, {}, { kind: "proxy", pins: [PIN] }],
  [{ behindProxy: `${PIN},${"B".repeat(64)}` }, {}, { kind: "proxy", pins: [PIN, "b".repeat(64)] }],
  [{ tlsCert: "/c", tlsKey: "/k" }, {}, { kind: "files", certFile: "/c", keyFile: "/k", nextPin: null }],
  [
    { nextPin: PIN },
    { SKERRY_TLS_CERT: "/c", SKERRY_TLS_KEY: "/k" },
    { kind: "files", certFile: "/c", keyFile: "/k", nextPin: PIN },
  ],
] as const)("[A203] %j with %j is how it is reached", (flags, env, front) => {
  expect(parseHubConfig(flags, env, false)).toMatchObject({ ok: true, value: { front } });
});

test.each([
  [{ plain: true, listen: "0.0.0.0:7443" }, /^--plain is without TLS and for this machine alone/],
  [{ plain: true, behindProxy: PIN }, /exclude each other/],
  [{ tlsCert: "/c", tlsKey: "/k", plain: true }, /exclude each other/],
  [{ behindProxy: "x" }, /^--behind-proxy must be the pin/],
  [{ behindProxy: `${PIN},${PIN},${PIN}` }, /^--behind-proxy must be the pin/],
  [{ tlsCert: "/c" }, /--tls-key FILE/],
  [{ tlsKey: "/k" }, /--tls-cert FILE/],
  [{ nextPin: PIN }, /--next-pin belongs to --tls-cert/],
  [{ tlsCert: "/c", tlsKey: "/k", nextPin: "x" }, /^--next-pin must be a pin/],
  [{ newHubKey: true, plain: true }, /--new-hub-key/],
] as const)("[A203] %j is refused with words", (flags, message) => {
  expect(parseHubConfig(flags, {}, false)).toEqual({ ok: false, error: expect.stringMatching(message) });
});

// What the agent's command line means, and what is said when it means nothing.
import { describe, expect, test } from "vitest";
import { readCommand } from "./config.ts";

const read = (words: string, env: Readonly<Record<string, string>> = {}) =>
  readCommand(words.split(" ").filter(Boolean), env);

describe("the agent's command line", () => {
  test("[K32] flags come before the environment, the environment before defaults", () => {
    const env = { SKERRY_HUB: "http://env:1", SKERRY_TOKEN: "t", SKERRY_DATA: "/env" };
    const { value } = read(
      "--hub hub.example:7443/ --name till-1 --label site=shop --label a/b=c=d --metered",
      env,
    ) as {
      value: unknown;
    };
    expect(value).toEqual({
      kind: "run",
      config: {
        ...{
          hubUrl: "https://hub.example:7443",
          token: "t",
          tokenFile: null,
          dataDir: "/env",
          runDir: "/run/skerry",
          name: "till-1",
        },
        ...{ labels: { site: "shop", "a/b": "c=d" }, dockerSocket: "/var/run/docker.sock", metered: true },
        logLevel: "info",
      },
    });
    expect(read("")).toMatchObject({
      value: { config: { hubUrl: null, token: null, dataDir: "/var/lib/skerry/agent" } },
    });
    expect(read("--token-file /x/token", env)).toMatchObject({
      value: { config: { token: null, tokenFile: "/x/token" } },
    });
    expect(read("--docker unix:///x/docker.sock")).toMatchObject({
      value: { config: { dockerSocket: "/x/docker.sock" } },
    });
    expect(read("status --json --data /x")).toEqual({ ok: true, value: { kind: "status", dataDir: "/x", json: true } });
  });

  test.each([
    ["--bogus", /--bogus/],
    ["--hub ftp://x", /starts with https:\/\//],
    ["--hub http://user@x", /only a host/],
    ["--name a_b", /node's name/],
    ["--label nokey", /KEY=VALUE/],
    ["--log-level loud", /debug, info/],
    ["start", /no command/],
    ["--json", /agent status/],
    [`--data /${"x".repeat(120)}`, /too long for a socket/],
  ])("[K33] %s is refused with what is meant", (words, message) => {
    expect(read(words)).toMatchObject({ ok: false, error: expect.stringMatching(message) });
  });
});

// /metrics as Prometheus reads it, and the reader itself: each of its rules finds what breaks it.
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { secretBox } from "@skerry/hub/http/login/user-key.ts";
import { addProcessMetrics, addSurroundings, createMetrics } from "@skerry/hub/http/metrics.ts";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHEAP, startTestHub, type TestHub } from "../http-hub.ts";
import { expositionProblems } from "./exposition.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.close());

test("[A46] [A93] what a working hub tells of itself keeps to the format and to the advice on names", async () => {
  const { loop, store, admin } = hub;
  const deps = {
    loop,
    store,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    keyring: hub.keyring,
    logs: { isHeard: () => false, read: () => Readable.from([]) },
    ...({ pins: () => [], secure: null, hubKey: { kind: "plain", own: null, isKnownTo: () => false } } as const),
  };
  const login = { userSecrets: secretBox("c".repeat(64), systemRandom), passwordCost: CHEAP };
  const metrics = createMetrics({
    ...{ ...deps, adminTokenHash: admin, signingKey: publicKeyOf("5a".repeat(32)), ...login },
    ...{ version: "0.0.0-test", stopping: () => false },
  });
  addProcessMetrics(metrics);
  addSurroundings(metrics, {
    ...{ connectedAgents: () => 1, waitingInputs: () => 0, watchers: () => 0 },
    ...{ logReaders: () => 2, streamSockets: () => 3 },
  });
  const node = await hub.join("pi-a");
  await hub.apply("shop", "services:\n  web:\n    image: web:1\n");
  await hub.reportAll(node, { kind: "running", health: "none" });
  for (const seconds of [0.0004, 0.2, 30]) metrics.request("PUT", "/v1/apps/:app", 200, seconds);
  metrics.request("GET", "/v1/apps", 404, 0.001);
  const text = await metrics.text();
  for (const name of [
    "skerry_nodes",
    "skerry_hub_changes_total",
    "skerry_hub_request_seconds",
    "process_cpu_seconds_total",
  ]) {
    expect(text).toContain(`# TYPE ${name} `);
  }
  expect(expositionProblems(text)).toEqual([]);
  // [A93] Who reads logs and who is looked at.
  expect(text).toContain("\nskerry_hub_log_readers 2\n");
  expect(text).toContain("\nskerry_hub_stream_sockets 3\n");
  // The guide has each of our own, and no other.
  const guide = readFileSync(new URL("../../../docs/guide.md", import.meta.url), "utf8");
  const ours = [...text.matchAll(/^# TYPE (skerry_\w+) /gm)].map(([, name]) => name);
  expect([...guide.matchAll(/^\| `(skerry_\w+)`/gm)].map(([, name]) => name).sort()).toEqual(ours.sort());
});

const gauge = (name: string, line = `${name} 1`): string =>
  `# HELP ${name} Something.\n# TYPE ${name} gauge\n${line}\n`;
const histogram = (lines: string): string => `# HELP h Something.\n# TYPE h histogram\n${lines}\n`;

/** Each was given to promtool too, and refused. */
const WRONG: Readonly<Record<string, readonly [string, RegExp]>> = {
  "no help": ["# TYPE a gauge\na 1\n", /no help/],
  "a gauge that ends in _total": [gauge("a_total"), /only a counter/],
  "a counter that does not": ["# HELP a Something.\n# TYPE a counter\na 1\n", /ends in _total/],
  "a unit that is not the base one": [gauge("a_milliseconds"), /base units/],
  camelCase: [gauge("someThing"), /snake_case/],
  "a type in a name": [gauge("a_gauge"), /its type/],
  "a part's name": [gauge("a_count"), /only a part/],
  "a colon": [gauge("a:b"), /letters, digits/],
  "a bound on a gauge": [gauge("a", 'a{le="1"} 1'), /label le/],
  "no number": [gauge("a", "a one"), /not a sample/],
  "a label without quotes": [gauge("a", "a{b=1} 1"), /not a sample/],
  "a line break in a label": [gauge("a", 'a{b="1\n2"} 1'), /not a sample/],
  "a label twice": [gauge("a", 'a{b="1",b="2"} 1'), /not a sample/],
  "a type said twice": [`# TYPE a gauge\n${gauge("a")}`, /twice/],
  "no line break at the end": [gauge("a").trimEnd(), /line break/],
};

/** promtool lets these pass; Prometheus itself would make nonsense of them. */
const WORSE: Readonly<Record<string, readonly [string, RegExp]>> = {
  "the same series twice": [gauge("a", 'a{b="1"} 1\na{b="1"} 2'), /same series twice/],
  "lines that are not together": [`${gauge("a")}${gauge("b")}a{c="1"} 1\n`, /not together/],
  "a counter below 0": ["# HELP a_total S.\n# TYPE a_total counter\na_total -1\n", /below 0/],
  "buckets that fall": [histogram('h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1'), /add up/],
  "no last bucket": [histogram('h_bucket{le="1"} 1\nh_sum 1\nh_count 1'), /add up/],
  "no sum": [histogram('h_bucket{le="+Inf"} 1\nh_count 1'), /add up/],
};

describe("the reader", () => {
  test.each(Object.entries({ ...WRONG, ...WORSE }))("finds %s", (_, [text, says]) => {
    expect(expositionProblems(text)[0]).toMatch(says);
  });

  test("finds nothing where nothing is wrong", () => {
    const right = histogram('h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3.5\nh_count 2');
    expect(expositionProblems(`${gauge("a", 'a{b="x \\"y\\" \\\\ \\n"} +Inf')}${gauge("c", "c Nan")}${right}`)).toEqual(
      [],
    );
  });
});

// Every decoder of text from elsewhere, with a law that holds for any text: it answers, it never throws what nobody catches, and what it takes is what it
// says. Each is fed noise, and what is nearly right: real messages with something in them changed.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCommand } from "@skerry/agent/config.ts";
import { IdentityFile } from "@skerry/agent/ledger/identity-file.ts";
import { parseAssignment, parseBoots, parseEvent, parseIdentity, parseMemory } from "@skerry/agent/ledger/stored.ts";
import { policyFieldsSchema } from "@skerry/shared/policy/policy.ts";
import { decodeToAgent, decodeToHub, encodeToAgent, encodeToHub } from "@skerry/shared/protocol/codec.ts";
import { readJoinToken, writeJoinToken } from "@skerry/shared/protocol/join-token.ts";
import { logAskSchema, logItemSchema } from "@skerry/shared/protocol/streams.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { boxPublicKeyOf, openBox, sealBox } from "@skerry/shared/runtime/sealed-box.ts";
import fc from "fast-check";
import { runWords } from "../../hub/src/cli/testing.ts";
import { compileCompose } from "../../hub/src/compose/compile.ts";
import { parseHubConfig } from "../../hub/src/config.ts";
import { authenticate } from "../../hub/src/http/auth.ts";
import { HttpError } from "../../hub/src/http/errors.ts";
import { idempotencyKey } from "../../hub/src/http/idempotency.ts";
import { anAssignment, anIdentity, aWorkloadMemory } from "../contract/ledger-samples.ts";
import { startTestHub } from "../unit/http-hub.ts";
import { HASH, TO_AGENT, TO_HUB } from "./samples.ts";

export interface Budget {
  readonly seed: number;
  readonly ms: number;
}

export interface Fuzzed {
  readonly name: string;
  /** Throws with fast-check's own report, which names the seed, when the law is broken. */
  run(budget: Budget): Promise<void>;
}

const params = ({ seed, ms }: Budget) => ({
  seed,
  interruptAfterTimeLimit: ms,
  markInterruptAsFailure: false,
  // As many as there is time for.
  numRuns: 100_000_000,
});

const expectTrue = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

/** Values that schemas like to stumble over. */
const oddities = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>("", "\0", "__proto__", -1, -0, 2 ** 53, 1e308, 0.5, [], {}, null, true, "x".repeat(5_000), [
    [[[]]],
  ]),
);

/** One of the samples with one place in it changed, dropped or added to; or anything. */
function nearly(samples: readonly unknown[]): fc.Arbitrary<string> {
  const changed = fc
    .tuple(fc.constantFrom(...samples), fc.nat(), fc.constantFrom("set", "drop", "add"), oddities)
    .map(([sample, at, how, value]) => {
      const copy: unknown = structuredClone(sample);
      const places = placesIn(copy);
      const place = places[at % Math.max(1, places.length)];
      if (place === undefined) return JSON.stringify(value);
      const { holder, key } = place;
      if (how === "drop") delete holder[key];
      else holder[how === "set" ? key : `${key}x`] = value;
      return JSON.stringify(copy);
    });
  const cut = fc.tuple(fc.constantFrom(...samples), fc.nat()).map(([sample, at]) => {
    const text = JSON.stringify(sample);
    return text.slice(0, at % (text.length + 1));
  });
  return fc.oneof({ weight: 6, arbitrary: changed }, cut, fc.json(), fc.string({ unit: "binary", maxLength: 200 }));
}

type Holder = Record<string, unknown>;
function placesIn(value: unknown): { readonly holder: Holder; readonly key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  // An array is an object with its places as keys.
  const holder = value as Holder;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesIn(holder[key])]);
}

const law = <T>(name: string, arbitrary: fc.Arbitrary<T>, holds: (value: T) => void): Fuzzed => ({
  name,
  run: async (budget) => fc.assert(fc.property(arbitrary, holds), params(budget)),
});

const ITEMS = [
  { kind: "line", stream: "stdout", at: "2026-11-21T10:00:00.5Z", text: "t", more: false },
  { kind: "skipped", lines: 3 },
  { kind: "note", text: "t" },
];
const ASK = { workload: "a/b/1", follow: true, tail: 5, sinceMs: null, after: null };

const header = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .tuple(
      fc.constantFrom("Bearer ", "bearer  ", "Basic ", ""),
      fc.constantFrom("ska1.", "skt1.", "skj1.", `skj1.${HASH}.0123456789ab.`, "skj1.plain."),
      fc.string({ unit: fc.constantFrom(..."0123456789abcdef.-_ \t\n"), maxLength: 90 }),
    )
    .map((parts) => parts.join("")),
);
const NOBODY = { adminTokenHash: HASH, joinToken: () => null, provider: { identify: () => null }, wallMs: () => 0 };

const BOX_KEY = "5".repeat(64);
const BOX = sealBox(boxPublicKeyOf(BOX_KEY), "here", Buffer.from("a secret"), systemRandom) ?? "";
const BOX_BYTES = Buffer.from(BOX, "base64");
/** With one character of it changed, or cut. */
const nearlyBox = fc
  .tuple(fc.nat(BOX.length - 1), fc.constantFrom(..."ABab01+/="), fc.boolean())
  .map(([at, put, isCut]) => (isCut ? BOX.slice(0, at) : BOX.slice(0, at) + put + BOX.slice(at + 1)));

const POLICY = {
  ...{ profile: "restricted", mode: "enforce", apps: ["shop"], nodeLabels: ["a=b"] },
  grants: { devices: ["/dev/ttyUSB*"], hostPaths: [{ path: "/srv", readOnly: true }], capabilities: ["NET_RAW"] },
  rules: { registries: ["docker.io"], forbidLatest: true },
};

const COMPOSE = [
  "services:\n",
  "  web:\n",
  "    image: ",
  "web:1",
  "\n",
  "    ports: [",
  "]",
  "    ",
  "- ",
  "&a ",
  "*a",
  "<<: *a",
  "!!js ",
  "|",
  ">",
  '"',
  "'",
  "$" + "{A:-",
  "}",
  "{",
  "\t",
  "\0",
  ": ",
  "deploy: {mode: global}",
  "x-skerry: ",
  "volumes:\n",
  "null",
  "~",
  "0x1f",
  "1e9",
  "\u2028",
  "secrets: ",
  "__proto__: ",
];
const WORDS = [
  "apply",
  "apps",
  "app",
  "ps",
  "nodes",
  "node",
  "why",
  "logs",
  "events",
  "audit",
  "verify",
  "token",
  "api-token",
  "role",
  "auth",
  "can-i",
  "validate",
  "rollout",
  "show",
  "ls",
  "rm",
  "create",
  "set",
  "diff",
  "undo",
  "-f",
  "--file",
  "--json",
  "--wait",
  "--since",
  "--to",
  "--yes",
  "--help",
  "-",
  "--",
  "=",
  "",
  "\0",
  "\x1b[2J",
  "../..",
  "1e9",
  "-1",
  "--tail",
  "--label",
  "a=b",
  "__proto__",
  "constructor",
];

/** Reads files, or refuses in words; nothing else may come out. */
function refusesByError(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expectTrue(
      error instanceof Error && !(error instanceof TypeError) && !(error instanceof RangeError),
      `threw ${String(error)}`,
    );
  }
}

export const DECODERS: readonly Fuzzed[] = [
  law("frames to the hub", nearly(TO_HUB), (text) => {
    const decoded = decodeToHub(text);
    if (decoded.ok) expectTrue(decodeToHub(encodeToHub(decoded.value)).ok, "what was taken is not taken again");
    else expectTrue(decoded.error.length < 1_000, "a refusal is longer than a close reason could ever be");
  }),
  law("frames to the agent", nearly(TO_AGENT), (text) => {
    const decoded = decodeToAgent(text);
    if (decoded.ok) expectTrue(decodeToAgent(encodeToAgent(decoded.value)).ok, "what was taken is not taken again");
  }),
  law("lines of logs, and what is asked for", nearly([...ITEMS, ASK]), (text) => {
    for (const schema of [logItemSchema, logAskSchema]) {
      refusesByError(() => schema.parse(JSON.parse(text)));
    }
  }),
  law("tokens", header, (text) => {
    try {
      authenticate(text, NOBODY);
      throw new Error("it let somebody in");
    } catch (error) {
      expectTrue(error instanceof HttpError && error.status === 401, `threw ${String(error)}`);
      expectTrue(
        !(error as Error).message.includes(text.slice(0, 60)) || text.length < 60,
        "a refusal repeats the token",
      );
    }
  }),
  law("join tokens", header, (text) => {
    const token = readJoinToken(text.replace("Bearer ", ""));
    if (token !== null) expectTrue(text.includes(writeJoinToken(token)), "what was taken is not what was said");
  }),
  law("sealed boxes", fc.oneof(fc.base64String({ maxLength: 400 }), nearlyBox), (box) => {
    expectTrue(
      openBox(BOX_KEY, "here", box) === null || Buffer.from(box, "base64").equals(BOX_BYTES),
      "a box that is not the one was opened",
    );
  }),
  law("policies", nearly([POLICY]), (text) => {
    refusesByError(() => policyFieldsSchema.parse(JSON.parse(text)));
  }),
  law("idempotency keys", fc.string({ unit: "binary", maxLength: 200 }), (text) => {
    try {
      idempotencyKey(text, "admin", { method: "PUT", url: "/", body: null, authorization: "Bearer x" });
    } catch (error) {
      expectTrue(error instanceof HttpError && error.status === 400, `threw ${String(error)}`);
    }
  }),
  law(
    "Compose files",
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.array(fc.constantFrom(...COMPOSE), { maxLength: 40 }).map((parts) => parts.join("")),
    ),
    (text) => {
      const compiled = compileCompose({ name: "demo", text, files: {}, variables: { A: "a" }, profiles: [] });
      if (!compiled.ok) expectTrue(compiled.error.length > 0, "refused without a problem");
    },
  ),
  law(
    "the agent's command line",
    fc.array(
      fc.oneof(
        fc.constantFrom(...WORDS, "status", "safe-mode", "off", "--hub", "--token", "--data", "--name", "--docker"),
        fc.string({ unit: "binary", maxLength: 40 }),
      ),
      { maxLength: 8 },
    ),
    (words) => {
      const read = readCommand(words, {});
      if (!read.ok) expectTrue(read.error.length > 0, "refused without a word");
    },
  ),
  law(
    "the hub's configuration",
    fc.record(
      { data: fc.string({ unit: "binary" }), listen: fc.string({ unit: "binary" }), logLevel: fc.string() },
      { requiredKeys: [] },
    ),
    (flags) => {
      const read = parseHubConfig(flags, {}, false);
      if (!read.ok) expectTrue(read.error.length > 0, "refused without a word");
    },
  ),
  law(
    "what a ledger holds",
    nearly([
      anIdentity,
      aWorkloadMemory,
      anAssignment(3),
      { bootId: "b", seenAtMs: 1, quickBefore: 0, steady: true },
      { seq: 1, bootId: "b", atMs: 1, wallMs: 1, event: { kind: "stopped", workload: "a/b/1" } },
    ]),
    (text) => {
      for (const parse of [parseIdentity, parseMemory, parseAssignment, parseBoots, parseEvent])
        refusesByError(() => parse(text));
    },
  ),
  {
    name: "a node's files of identity",
    run: async (budget) => {
      const folder = mkdtempSync(join(tmpdir(), "skerry-fuzz-"));
      const good = `1 ${JSON.stringify({ identity: anIdentity, seqReserved: 1 })}`;
      const file = fc.oneof(
        fc.string({ unit: "binary", maxLength: 200 }),
        fc.nat(400).map((at) => `${sha256Hex(good)} ${good}`.slice(0, at)),
      );
      try {
        fc.assert(
          fc.property(file, file, (first, second) => {
            writeFileSync(join(folder, "identity.a"), first);
            writeFileSync(join(folder, "identity.b"), second);
            refusesByError(() => new IdentityFile(folder));
          }),
          params(budget),
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  },
  {
    name: "JSON at the API's door",
    run: async (budget) => {
      const hub = await startTestHub();
      const samples = [
        {
          compose: "services:\n  web:\n    image: web:1\n",
          files: {},
          variables: { A: "b" },
          profiles: [],
          ifRevision: null,
          dryRun: true,
        },
        { name: "ci", role: "viewer", apps: ["shop"], nodeLabels: ["a=b"], expiresInMs: 5_000 },
        { uses: 1, expiresInMs: 5_000, labels: { a: "b" } },
        { setLabels: { a: "b" }, unsetLabels: ["c"] },
      ];
      const urls = [
        ["PUT", "/v1/apps/shop"],
        ["POST", "/v1/api-tokens"],
        ["POST", "/v1/tokens"],
        ["PATCH", "/v1/nodes/pi"],
        ["PUT", "/v1/roles/own"],
        ["POST", "/v1/apps/shop/stop"],
      ] as const;
      try {
        await fc.assert(
          fc.asyncProperty(fc.constantFrom(...urls), nearly(samples), async ([method, url], raw) => {
            const { status, text } = await hub.call(method, url, undefined, { raw });
            expectTrue(status < 500, `answered ${status}: ${text.slice(0, 200)}`);
          }),
          params(budget),
        );
      } finally {
        await hub.close();
      }
    },
  },
  {
    name: "the command line",
    run: async (budget) => {
      // An address that no hub can have: nothing is sent anywhere.
      const env = { SKERRY_HUB: "ftp://nowhere", SKERRY_TOKEN: "x" };
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 20 })), { maxLength: 6 }),
          async (words) => {
            // These two would start what they say.
            if (words.some((word) => word === "hub" || word === "agent")) return;
            const { code, out, err } = await runWords(words, { env });
            expectTrue([0, 1, 2, 3].includes(code), `exit code ${code}`);
            expectTrue(!/^\s+at .*\.ts:\d+/m.test(out + err), `a stack: ${err.slice(0, 300)}`);
          },
        ),
        params(budget),
      );
    },
  },
];

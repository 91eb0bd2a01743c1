// Every coded error is raised once, and the page that lists them is the catalogue.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TOTP } from "otpauth";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { RECENT_LOGIN_MS } from "../core/user.ts";
import { type Store, StoreError } from "../store/store.ts";
import { MAX_CHANGES_AT_ONCE } from "./change-rate.ts";
import { type ErrorCode, errorKinds, errorsPage } from "./errors.ts";
import { FREE_TRIES } from "./login/throttle.ts";
import { MAX_REFUSALS } from "./refusals.ts";
import { MAX_BODY_BYTES } from "./server.ts";

const WEB = "services:\n  web:\n    image: web:1\n";

let hub: TestHub;
/** What the store does instead of committing. */
let failure: (() => never) | null = null;
beforeEach(async () => {
  failure = null;
  const failing = (store: Store): Store => ({
    ...store,
    commit: (commit) => (failure === null ? store.commit(commit) : failure()),
  });
  hub = await startTestHub({ store: failing });
});
afterEach(() => hub.close());

test("[A5] docs/api-errors.md is the catalogue", () => {
  expect(readFileSync(new URL("../../../docs/api-errors.md", import.meta.url), "utf8")).toBe(errorsPage());
});

const ANNA = { name: "anna", password: "sand under the keel" };
async function anna(role = "viewer"): Promise<{ token: string }> {
  await hub.call("POST", "/v1/users", { ...ANNA, role });
  return (await hub.call("POST", "/v1/session", { ...ANNA, as: "token" }, { token: null })).body;
}

/** Everything but what needs a raw socket or a bug. */
const raised: Partial<Record<ErrorCode, () => Promise<Answer>>> = {
  "invalid-json": () => hub.call("PUT", "/v1/apps/shop", undefined, { raw: "{" }),
  "invalid-request": () => hub.apply("shop", WEB, { colour: "red" }),
  "not-authenticated": () => hub.call("GET", "/v1/apps", undefined, { token: null }),
  "value-not-found": () => hub.call("DELETE", "/v1/secrets/none"),
  "secrets-locked": () => {
    // Where the file would be written first.
    mkdirSync(join(hub.folder, "secret-keys.new"));
    return hub.call("PUT", "/v1/secrets/db", { value: "" });
  },
  "join-token-refused": () =>
    hub.call("POST", "/v1/nodes/join", {}, { token: `skj1.${"3".repeat(64)}.${"1".repeat(12)}.${"2".repeat(64)}` }),
  "token-expired": async () => {
    const { token } = (await hub.call("POST", "/v1/api-tokens", { name: "ci", role: "viewer", expiresInMs: 1_000 }))
      .body;
    hub.advance(1_001);
    return hub.call("GET", "/v1/apps", undefined, { token });
  },
  "role-not-found": () => hub.call("DELETE", "/v1/roles/nothing"),
  "policy-not-found": () => hub.call("DELETE", "/v1/policies/nothing"),
  "policy-refused": () => hub.apply("shop", "services: { web: { image: w, privileged: true } }"),
  "not-permitted": () => hub.call("POST", "/v1/nodes/join", {}),
  "route-not-found": () => hub.call("GET", "/v1/nothing"),
  "app-not-found": () => hub.call("GET", "/v1/apps/nothing"),
  "revision-not-found": async () => {
    await hub.apply("shop", WEB);
    return hub.call("GET", "/v1/apps/shop/revisions/7");
  },
  "node-not-found": () => hub.call("GET", "/v1/nodes/nothing"),
  "token-not-found": () => hub.call("DELETE", "/v1/tokens/0123456789ab"),
  "target-not-found": () => hub.call("GET", "/v1/why/nothing"),
  "revision-conflict": () => hub.apply("shop", WEB, { ifRevision: 5 }),
  "failed-before": async () => {
    const node = await hub.join("pi");
    await hub.apply("shop", WEB);
    await hub.reportAll(node, { kind: "running", health: "none" });
    await hub.apply("shop", WEB.replace("web:1", "web:2"));
    await hub.failGates(node, "it ended with code 1");
    return hub.apply("shop", WEB.replace("web:1", "web:2"));
  },
  "watch-expired": () => hub.call("GET", "/v1/watch?since=999"),
  "body-too-large": () => hub.apply("shop", "#".repeat(MAX_BODY_BYTES)),
  "unsupported-media-type": () =>
    hub.call("PUT", "/v1/apps/shop", undefined, { raw: WEB, headers: { "content-type": "text/plain" } }),
  "invalid-compose": () => hub.apply("shop", "services: 7\n"),
  "change-refused": async () => {
    const labels = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`a${index}`, "x"]));
    await hub.join("pi", { labels });
    const more = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`b${index}`, "x"]));
    return hub.call("PATCH", "/v1/nodes/pi", { setLabels: more });
  },
  "idempotency-mismatch": async () => {
    const headers = { "idempotency-key": "k1" };
    await hub.apply("shop", WEB, {}, { headers });
    return hub.apply("shop", WEB.replace("web:1", "web:2"), {}, { headers });
  },
  "too-many-refusals": async () => {
    for (let count = 0; count < MAX_REFUSALS; count += 1) await hub.call("GET", "/v1/apps", undefined, { token: "x" });
    return hub.call("GET", "/v1/apps", undefined, { token: "x" });
  },
  "too-many-changes": async () => {
    const { id, token } = (await hub.call("POST", "/v1/api-tokens", { name: "ci", role: "deployer" })).body;
    for (let count = 0; count < MAX_CHANGES_AT_ONCE; count += 1) hub.http.app.changeRate.take(`api-token/${id}`);
    return hub.call("PUT", "/v1/apps/shop", { compose: WEB }, { token });
  },
  "two-credentials": () =>
    hub.call("GET", "/v1/apps", undefined, { headers: { cookie: `skerry=sks1.${"1".repeat(12)}.${"2".repeat(64)}` } }),
  "session-ended": () => hub.call("GET", "/v1/apps", undefined, { token: `sks1.${"1".repeat(12)}.${"2".repeat(64)}` }),
  "login-too-old": async () => {
    const { token } = await anna("admin");
    hub.advance(RECENT_LOGIN_MS + 1);
    return hub.call("POST", "/v1/api-tokens", { name: "ci", role: "viewer" }, { token });
  },
  "login-refused": () => hub.call("POST", "/v1/session", ANNA, { token: null }),
  "second-factor-needed": async () => {
    const { token } = await anna();
    const { password } = ANNA;
    const { secret } = (await hub.call("POST", "/v1/session/second-factor", { password }, { token })).body;
    const code = new TOTP({ secret }).generate();
    await hub.call("PUT", "/v1/session/second-factor", { code }, { token });
    return hub.call("POST", "/v1/session", ANNA, { token: null });
  },
  "cross-site-request": () =>
    hub.call("POST", "/v1/session", ANNA, { token: null, headers: { origin: "https://evil.example" } }),
  "not-private": () => hub.call("POST", "/v1/session", ANNA, { token: null, headers: { host: "hub.example" } }),
  "setup-refused": () => hub.call("POST", "/v1/setup", { code: "x", ...ANNA }, { token: null }),
  "user-not-found": () => hub.call("DELETE", "/v1/users/nobody"),
  "no-session": () => hub.call("DELETE", "/v1/session"),
  "too-many-logins": async () => {
    for (let tried = 0; tried < FREE_TRIES; tried += 1) await hub.call("POST", "/v1/session", ANNA, { token: null });
    return hub.call("POST", "/v1/session", ANNA, { token: null });
  },
  internal: () => bug(),
  stopping: () => {
    hub.state.stopping = true;
    return hub.apply("shop", WEB);
  },
  "read-only": () => {
    failure = () => {
      throw new StoreError("broken", "EIO");
    };
    return hub.apply("shop", WEB);
  },
  "storage-full": () => {
    failure = () => {
      throw new StoreError("full", "ENOSPC");
    };
    return hub.apply("shop", WEB);
  },
};

/** A read whose store fails in a way that nobody expects. */
async function bug(): Promise<Answer> {
  const broken = await startTestHub({
    store: (store) => ({
      ...store,
      events: () => {
        throw new RangeError("a planted bug");
      },
    }),
  });
  const answer = await broken.call("GET", "/v1/events");
  await broken.close();
  return answer;
}

const RAISED_ELSEWHERE: readonly ErrorCode[] = [
  // In bad-input.test.ts, over a raw socket.
  "header-too-large",
  // In trust.test.ts.
  "key-revoked",
  // In watch.test.ts.
  "overloaded",
];

test("[A5] every code of the catalogue is raised by a test", () => {
  const tested = [...Object.keys(raised), ...RAISED_ELSEWHERE].toSorted();
  expect(tested).toEqual(Object.keys(errorKinds).toSorted());
});

test.each(Object.keys(raised) as ErrorCode[])("[A5] %s has its status, a message and a hint", async (code) => {
  const answer = await raised[code]?.();
  expect(answer?.body).toMatchObject({
    code,
    message: expect.stringMatching(/^.+[.…?]$/s),
    hint: expect.stringMatching(/\S/),
  });
  expect(answer?.status).toBe(errorKinds[code].status);
  expect(answer?.body).toHaveProperty("path");
  expect(answer?.body).toHaveProperty("problems");
  expect(answer?.text).not.toMatch(/\\n *at /);
});

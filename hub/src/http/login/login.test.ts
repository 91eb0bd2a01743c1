// Users, sessions, the throttle, second factors and the set-up, as a browser or the CLI meets them.
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { TOTP } from "otpauth";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type CallOptions, CHEAP, startTestHub, type TestHub } from "../../../../test/unit/http-hub.ts";
import { handClock } from "../../../../test/unit/hub/hand-clock.ts";
import { MAX_SESSIONS_EACH, RECENT_LOGIN_MS, SESSION_IDLE_MS, SESSION_LIFE_MS } from "../../core/user.ts";
import { type Store, StoreError } from "../../store/store.ts";
import { MAX_CHANGES_AT_ONCE } from "../change-rate.ts";
import { USE_SAVED_EVERY_MS } from "../identity.ts";
import { type Route, routes } from "../routes.ts";
import { MAX_AT_ONCE, MAX_WAITING, PASSWORD_COST, Passwords } from "./passwords.ts";
import { ACCOUNT_PACE, FREE_TRIES, LONGEST_WAIT_MS, LoginThrottle, MAX_REMEMBERED, placeOf } from "./throttle.ts";

const PASSWORD = "sand under the keel";
const OTHER = "no wind since tuesday";
const OWN = "http://localhost:80";

let hub: TestHub;
const uses: number[] = [];
let refuseUses = false;
beforeEach(async () => {
  uses.length = 0;
  refuseUses = false;
  hub = await startTestHub({
    store: (store: Store) => ({
      ...store,
      saveSessionUse: (id, atMs) => {
        if (refuseUses) throw new StoreError("full", "ENOSPC");
        uses.push(atMs);
        store.saveSessionUse(id, atMs);
      },
    }),
  });
});
afterEach(() => hub.close());

const add = (name: string, more: object = {}, options: CallOptions = {}): Promise<Answer> =>
  hub.call("POST", "/v1/users", { name, password: PASSWORD, role: "viewer", ...more }, options);
const logIn = (name: string, more: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  hub.call("POST", "/v1/session", { name, password: PASSWORD, as: "token", ...more }, { token: null, headers });
const tokenOf = async (name: string, more: object = {}): Promise<string> => (await logIn(name, more)).body.token;
const whoami = (token: string): Promise<Answer> => hub.call("GET", "/v1/auth/whoami", undefined, { token });
const cookieOf = (answer: Answer): string => String(answer.headers["set-cookie"]).split(";")[0] ?? "";
const withCookie = (cookie: string, headers: Record<string, string> = {}): CallOptions => ({
  token: null,
  headers: { cookie, host: "localhost:80", ...headers },
});
/** All that the hub has ever told or stored, but the rows themselves. */
const audit = async (): Promise<Answer> => hub.call("GET", "/v1/audit");

describe("users", () => {
  test("[A220] a user is added, listed without his password, given another role, disabled and removed", async () => {
    expect(await add("anna", { apps: ["shop"] })).toMatchObject({
      status: 200,
      body: { name: "anna", role: "viewer", apps: ["shop"], disabled: false, sessions: 0, changed: true },
    });
    expect((await add("anna")).body.message).toMatch(/There is a user anna already/);
    const list = await hub.call("GET", "/v1/users");
    expect(list.body.items).toMatchObject([{ name: "anna", createdBy: "admin", secondFactor: false }]);
    expect(list.text + JSON.stringify(hub.store.watch(0, 100)) + (await audit()).text).not.toMatch(
      new RegExp(`${hub.store.user("anna")?.password.hash}|${PASSWORD}`),
    );
    const role = (body: object) => hub.call("PUT", "/v1/users/anna/role", body);
    expect((await role({ role: "king" })).body.message).toMatch(/There is no role king/);
    expect((await role({ role: "operator" })).body).toMatchObject({ role: "operator", apps: [], changed: true });
    expect((await role({ role: "operator" })).body.changed).toBe(false);
    expect((await hub.call("PUT", "/v1/users/anna/enabled", { enabled: false })).body.disabled).toBe(true);
    expect((await hub.call("DELETE", "/v1/users/anna")).body).toEqual({ name: "anna" });
    expect((await hub.call("DELETE", "/v1/users/anna")).body.code).toBe("user-not-found");
    const events = (await hub.call("GET", "/v1/events")).body.items.map(({ text }: { text: string }) => text);
    expect(events).toContain("user anna disabled by admin");
  });

  test("[A221] a password is long enough, not too long, and not what is tried first; it is kept as scrypt with a salt of its own", async () => {
    const refused = async (password: string): Promise<string> => (await add("margarete", { password })).body.message;
    expect(await refused("short")).toMatch(/at least 12 characters/);
    expect(await refused("x".repeat(257))).toMatch(/at most 256/);
    expect(await refused("aaaaaaaaaaaaaaaa")).toMatch(/5 different characters/);
    for (const bad of ["password1234", "Margarete2026", "SkerryPassword!", "123456789012"])
      expect(await refused(bad)).toMatch(/little more than your own name/);
    await add("anna");
    await add("bert");
    const [anna, bert] = [hub.store.user("anna")?.password, hub.store.user("bert")?.password];
    expect(anna).toMatchObject({ kind: "scrypt", ...CHEAP });
    expect(PASSWORD_COST).toEqual({ n: 32_768, r: 8, p: 1 });
    const passwords = new Passwords(systemRandom);
    const real = await passwords.hash(PASSWORD);
    expect([real.n, await passwords.check(PASSWORD, real)]).toEqual([32_768, true]);
    expect([anna?.salt === bert?.salt, anna?.hash === bert?.hash]).toEqual([false, false]);
    expect(anna?.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test("[A222] who manages users gives no more than he holds, and touches nobody who holds more", async () => {
    await hub.call("PUT", "/v1/roles/clerk", { permissions: ["user:manage", "app:read"] });
    await hub.call("PUT", "/v1/roles/reader", { permissions: ["app:read"] });
    await add("boss", { role: "admin" });
    await add("clerk", { role: "clerk" });
    const token = await tokenOf("clerk");
    expect((await add("anna", { role: "reader" }, { token })).status).toBe(200);
    expect(await add("eve", { role: "viewer" }, { token })).toMatchObject({ status: 403 });
    const asked: [Parameters<TestHub["call"]>[0], string, object | undefined][] = [
      ["PUT", "password", { password: OTHER }],
      ["PUT", "role", { role: "reader" }],
      ["PUT", "enabled", { enabled: false }],
      ["DELETE", "second-factor", undefined],
    ];
    for (const [method, what, body] of asked)
      expect((await hub.call(method, `/v1/users/boss/${what}`, body, { token })).body.code).toBe("not-permitted");
    expect((await hub.call("DELETE", "/v1/users/boss", undefined, { token })).body.code).toBe("not-permitted");
    expect((await hub.call("PUT", "/v1/users/anna/password", { password: OTHER }, { token })).status).toBe(200);
    expect((await hub.call("DELETE", "/v1/roles/reader")).body.message).toMatch(/held by user anna/);
  });

  test("[A223] a request with a password is not kept for its Idempotency-Key", async () => {
    const headers = { "idempotency-key": "k1" };
    expect((await add("anna", {}, { headers })).status).toBe(200);
    expect((await add("anna", {}, { headers })).status).toBe(422);
  });
});

describe("sessions", () => {
  beforeEach(() => add("anna", { role: "operator" }));

  test("[A224] a login gives a session with the user's role; at rest there is its hash, which lets nobody in", async () => {
    const answer = await logIn("anna");
    const { token } = answer.body;
    expect(token).toMatch(/^sks1\.[0-9a-f]{12}\.[0-9a-f]{64}$/);
    expect(answer.headers["set-cookie"]).toBeUndefined();
    expect((await whoami(token)).body).toMatchObject({ name: "user anna", roles: [{ role: "operator" }] });
    const [session] = hub.store.sessionsOf("anna");
    expect(session?.secretHash).toBe(sha256Hex(token.split(".")[2]));
    // H67: what a thief of the database has.
    expect((await whoami(`sks1.${session?.id}.${session?.secretHash}`)).status).toBe(401);
    expect((await logIn("anna", { password: hub.store.user("anna")?.password.hash })).status).toBe(401);
    expect((await hub.call("GET", "/v1/users", undefined, { token })).body.code).toBe("not-permitted");
    expect((await hub.call("POST", "/v1/apps/shop/stop", {}, { token })).body.code).toBe("app-not-found");
  });

  test("[A225] a session ends when it was not used for a day, and after a week in any case; its use is saved to the minute", async () => {
    const [idle, busy] = [await tokenOf("anna"), await tokenOf("anna")];
    for (let hours = 0; hours < 23; hours += 1) {
      hub.advance(3_600_000);
      expect((await whoami(busy)).status).toBe(200);
    }
    hub.advance(SESSION_IDLE_MS - 23 * 3_600_000);
    expect((await whoami(idle)).body).toMatchObject({ code: "session-ended", hint: expect.stringMatching(/Log in/) });
    expect((await whoami(busy)).status).toBe(200);
    const saved = uses.length;
    await whoami(busy);
    expect(uses.length).toBe(saved);
    hub.advance(USE_SAVED_EVERY_MS);
    refuseUses = true;
    expect((await whoami(busy)).status).toBe(200);
    for (let days = 0; days < 8; days += 1) {
      hub.advance(SESSION_LIFE_MS / 8);
      await whoami(busy);
    }
    expect((await whoami(busy)).body.code).toBe("session-ended");
  });

  test("[A248] a session gives power that lasts only soon after its login, and takes power away at any time", async () => {
    await add("boss", { role: "admin" });
    const token = await tokenOf("boss");
    const gives: [Parameters<TestHub["call"]>[0], string, object | undefined][] = [
      ["POST", "/v1/api-tokens", { name: "ci", role: "viewer" }],
      ["PUT", "/v1/roles/reader", { permissions: ["app:read"] }],
      ["POST", "/v1/users", { name: "eve", password: PASSWORD, role: "viewer" }],
      ["PUT", "/v1/users/anna/role", { role: "viewer" }],
      ["PUT", "/v1/users/anna/password", { password: OTHER }],
      ["DELETE", "/v1/users/anna/second-factor", undefined],
    ];
    const lasting = Object.values(routes).filter((route: Route) => route.lasting === true);
    expect(lasting.length).toBe(gives.length);
    const give = async ([method, url, body]: (typeof gives)[number], as: string | undefined) =>
      (await hub.call(method, url, body, as === undefined ? {} : { token: as })).status;
    // The hub of this test has a clock that goes on by itself.
    hub.advance(RECENT_LOGIN_MS - 5_000);
    // Anna has no second factor that could be taken: that is said behind the door.
    const through = (url: string) => (url.endsWith("second-factor") ? 422 : 200);
    for (const asked of gives) expect([asked[1], await give(asked, token)]).toEqual([asked[1], through(asked[1])]);
    hub.advance(5_000);
    for (const asked of gives) expect([asked[1], await give(asked, token)]).toEqual([asked[1], 403]);
    expect(await give(["PUT", "/v1/users/anna/enabled", { enabled: false }], token)).toBe(200);
    expect(await give(["DELETE", "/v1/users/eve", undefined], token)).toBe(200);
    expect(await give(["DELETE", "/v1/api-tokens/ci", undefined], token)).toBe(200);
    const anew = await tokenOf("boss");
    expect(await give(["POST", "/v1/api-tokens", { name: "ci", role: "viewer" }], anew)).toBe(200);
    // Programs have tokens whose life is their own.
    expect(await give(["PUT", "/v1/roles/other", { permissions: ["app:read"] }], undefined)).toBe(200);
  });

  test("[A226] (H43) logging out, a new password, another role, disabling and removing end sessions at once", async () => {
    const ends = async (work: (token: string) => Promise<Answer>): Promise<void> => {
      const password = hub.store.user("anna") === null ? null : PASSWORD;
      if (password === null) await add("anna", { role: "operator" });
      const [one, two] = [await tokenOf("anna"), await tokenOf("anna")];
      expect((await work(one)).status).toBe(200);
      expect([(await whoami(one)).body.code, (await whoami(two)).body.code]).toEqual(Array(2).fill("session-ended"));
    };
    await ends((token) => hub.call("DELETE", "/v1/session?everywhere=true", undefined, { token }));
    await ends(() => hub.call("PUT", "/v1/users/anna/role", { role: "viewer" }));
    await ends(async () => {
      const set = await hub.call("PUT", "/v1/users/anna/enabled", { enabled: false });
      expect((await logIn("anna")).body.code).toBe("login-refused");
      await hub.call("PUT", "/v1/users/anna/enabled", { enabled: true });
      return set;
    });
    await ends(() => hub.call("PUT", "/v1/users/anna/password", { password: PASSWORD }));
    await ends((token) =>
      hub.call("PUT", "/v1/session/password", { password: PASSWORD, newPassword: PASSWORD }, { token }),
    );
    await ends(() => hub.call("DELETE", "/v1/users/anna"));
    await add("anna");
    const [one, two] = [await tokenOf("anna"), await tokenOf("anna")];
    expect((await hub.call("DELETE", "/v1/session", undefined, { token: one })).body).toEqual({ ended: 1 });
    expect([(await whoami(one)).status, (await whoami(two)).status]).toEqual([401, 200]);
  });

  test("[A227] a user has ten sessions at most: one more ends the oldest", async () => {
    const tokens: string[] = [];
    for (let n = 0; n <= MAX_SESSIONS_EACH; n += 1) {
      hub.advance(10);
      tokens.push(await tokenOf("anna"));
    }
    expect(hub.store.sessionsOf("anna")).toHaveLength(MAX_SESSIONS_EACH);
    expect([(await whoami(tokens[0] ?? "")).status, (await whoami(tokens[1] ?? "")).status]).toEqual([401, 200]);
  });

  test("[A228] (H42) a browser gets a cookie that scripts cannot read; a login never takes over an id, and ends the session before it", async () => {
    const fixed = `skerry=sks1.${"1".repeat(12)}.${"2".repeat(64)}`;
    const first = await logIn("anna", { as: "cookie" }, { cookie: fixed, origin: OWN });
    expect(first.body.token).toBeNull();
    expect(String(first.headers["set-cookie"])).toMatch(
      /^skerry=sks1\.\S+; Path=\/; Max-Age=604800; HttpOnly; SameSite=Strict$/,
    );
    expect(cookieOf(first)).not.toBe(fixed);
    expect((await hub.call("GET", "/v1/auth/whoami", undefined, withCookie(fixed))).status).toBe(401);
    const second = await logIn("anna", { as: "cookie" }, { cookie: cookieOf(first) });
    const who = (cookie: string) => hub.call("GET", "/v1/auth/whoami", undefined, withCookie(cookie));
    expect([(await who(cookieOf(first))).status, (await who(cookieOf(second))).status]).toEqual([401, 200]);
    const out = await hub.call("DELETE", "/v1/session", undefined, withCookie(cookieOf(second), { origin: OWN }));
    expect(String(out.headers["set-cookie"])).toMatch(/^skerry=; Path=\/; Max-Age=0/);
    expect((await who(cookieOf(second))).status).toBe(401);
  });

  test("[A229] (H40) a change by cookie needs the hub's own page and JSON; a token does not, and both at once are refused", async () => {
    const cookie = cookieOf(await logIn("anna", { as: "cookie" }));
    const pause = (headers: Record<string, string>, raw = "{}"): Promise<Answer> =>
      hub.call("POST", "/v1/apps/shop/pause", undefined, {
        ...withCookie(cookie, { "content-type": "application/json", ...headers }),
        raw,
      });
    for (const headers of [
      {},
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: "https://localhost:80" },
      { origin: "http://localhost:81" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
      { origin: OWN, "sec-fetch-site": "cross-site" },
      { origin: OWN, "content-type": "text/plain" },
      { origin: OWN, "content-type": "application/x-www-form-urlencoded" },
      { origin: OWN, "content-type": "application/jsonp" },
    ] as Record<string, string>[])
      expect([headers, (await pause(headers)).body.code]).toEqual([headers, "cross-site-request"]);
    expect((await pause({ origin: OWN })).body.code).toBe("app-not-found");
    expect((await pause({ "sec-fetch-site": "same-origin" })).body.code).toBe("app-not-found");
    const token = await tokenOf("anna");
    const by = (headers: Record<string, string>) => hub.call("POST", "/v1/apps/shop/pause", {}, { token, headers });
    expect((await by({ origin: "https://evil.example" })).body.code).toBe("app-not-found");
    expect((await by({ cookie })).body.code).toBe("two-credentials");
    // Streams too, which change nothing; and logging in, which would give a page's visitor somebody else's session.
    for (const origin of ["https://evil.example", "null"]) {
      expect((await hub.call("GET", "/v1/watch", undefined, withCookie(cookie, { origin }))).body.code).toBe(
        "cross-site-request",
      );
      expect((await logIn("anna", {}, { origin })).body.code).toBe("cross-site-request");
    }
    expect((await hub.call("GET", "/v1/apps", undefined, withCookie(`${cookie}; ${cookie}`))).status).toBe(401);
  });

  test("[A230] passwords are taken over TLS or within the machine, and over nothing else", async () => {
    for (const host of ["hub.example:7443", "10.0.0.7:7443"]) {
      expect((await logIn("anna", {}, { host })).body.code).toBe("not-private");
      expect((await add("bert", {}, { headers: { host } })).body.code).toBe("not-private");
    }
    expect((await logIn("anna", {}, { host: "127.0.0.1:7443" })).status).toBe(200);
  });

  test("[A231] a secret that is made by cookie under an Idempotency-Key cannot be worked out from the key", async () => {
    await add("boss", { role: "admin" });
    const made = async (): Promise<string> => {
      const cookie = cookieOf(await logIn("boss", { as: "cookie" }));
      const options = withCookie(cookie, { origin: OWN, "idempotency-key": "k1" });
      const body = { name: `ci-${systemRandom.hex(4)}`, role: "viewer" };
      return (await hub.call("POST", "/v1/api-tokens", body, options)).body.token.split(".")[2];
    };
    expect(await made()).not.toBe(await made());
  });

  test("[A232] a login leaves an entry in the audit log, a failed one too, and a word that is no user's name does not", async () => {
    await logIn("anna");
    await logIn("anna", { password: OTHER });
    await logIn("my-password-by-mistake");
    const { items } = (await audit()).body;
    const logins = items.filter(({ what }: { what: string }) => what === "logIn");
    expect(
      logins.map((one: Record<string, unknown>) => [one["actor"], one["target"], one["outcome"], one["code"]]),
    ).toEqual(
      expect.arrayContaining([
        ["user anna", "user/anna", "done", null],
        [null, "user/anna", "refused", "login-refused"],
        [null, null, "refused", "login-refused"],
      ]),
    );
    expect(JSON.stringify(items)).not.toContain("mistake");
  });

  test("[A138] a user's changes are counted by his name: a new login is no new start", async () => {
    const [one, two] = [await tokenOf("anna"), await tokenOf("anna")];
    const { changeRate } = hub.http.app;
    for (let n = 0; n < MAX_CHANGES_AT_ONCE; n += 1) changeRate.take("user/anna");
    await hub.apply("shop", "services:\n  web:\n    image: web:1\n");
    for (const token of [one, two])
      expect((await hub.call("POST", "/v1/apps/shop/pause", {}, { token })).body.code).toBe("too-many-changes");
  });
});

describe("the throttle", () => {
  test("[A233] (H12) a name that there is not, a wrong password and a disabled user are answered alike, for the same work", async () => {
    await add("anna");
    await add("bert");
    await hub.call("PUT", "/v1/users/bert/enabled", { enabled: false });
    const answers = [
      await logIn("anna", { password: OTHER }),
      await logIn("nobody", { password: OTHER }),
      await logIn("bert"),
      await logIn("No Name At All"),
    ];
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    const passwords = new Passwords(systemRandom, CHEAP);
    const stored = await passwords.hash(PASSWORD);
    expect([await passwords.check(OTHER, stored), await passwords.check(OTHER, null), passwords.runs]).toEqual([
      false,
      false,
      3,
    ]);
    // A row that was spoilt asks for no more memory than there is.
    expect(await passwords.check(PASSWORD, { ...stored, n: 2 ** 30 })).toBe(false);
  });

  test("[A234] at most two passwords are checked at once, and a flood is told to come again", async () => {
    const passwords = new Passwords(systemRandom, CHEAP);
    const all = Array.from({ length: MAX_AT_ONCE + MAX_WAITING + 5 }, () => passwords.check("x", null));
    const settling = Promise.allSettled(all);
    // The work itself ends in a later turn of the event loop.
    for (let turn = 0; turn < 10; turn += 1) await null;
    expect(passwords.runs).toBe(MAX_AT_ONCE);
    const settled = await settling;
    expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(5);
    expect(passwords.runs).toBe(MAX_AT_ONCE + MAX_WAITING);
  });

  test("[A235] (H11) one account from one address waits longer each time, up to a quarter of an hour", () => {
    const clock = handClock();
    const throttle = new LoginThrottle(clock);
    const waits: number[] = [];
    for (let tried = 0; tried < FREE_TRIES + 12; tried += 1) {
      const wait = throttle.take("anna", "10.0.0.1");
      waits.push(wait);
      if (wait > 0) {
        clock.run(wait);
        expect(throttle.take("anna", "10.0.0.1")).toBe(0);
      }
    }
    expect(waits.slice(0, FREE_TRIES + 3)).toEqual([...Array(FREE_TRIES).fill(0), 1_000, 2_000, 4_000]);
    expect(Math.max(...waits)).toBe(LONGEST_WAIT_MS);
    throttle.right("anna", "10.0.0.1");
    expect(throttle.take("anna", "10.0.0.1")).toBe(0);
  });

  test("[A236] from elsewhere nobody locks a user out: his own address goes on, others are held to a pace that is bounded", () => {
    const clock = handClock();
    const throttle = new LoginThrottle(clock);
    expect(throttle.take("anna", "10.0.0.1")).toBe(0);
    throttle.right("anna", "10.0.0.1");
    let held = 0;
    for (let from = 0; from < 1_000; from += 1) held = throttle.take("anna", `10.1.${from >> 8}.${from & 255}`);
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThanOrEqual(ACCOUNT_PACE.eachMs);
    expect(throttle.take("anna", "10.0.0.1")).toBe(0);
    expect(throttle.take("bert", "10.0.0.2")).toBe(0);
  });

  test("[A237] (H11) one address that sprays names, and all addresses together, are held to a pace; what is remembered is bounded", () => {
    const clock = handClock();
    const throttle = new LoginThrottle(clock);
    const through = (count: number, address: (n: number) => string): number => {
      let tried = 0;
      for (let n = 0; n < count; n += 1) if (throttle.take(`user-${n}-${count}`, address(n)) === 0) tried += 1;
      return tried;
    };
    expect(through(10_000, () => "2001:db8:0:1::7")).toBe(50);
    expect(through(10_000, (n) => `10.${n >> 8}.${n & 255}.1`)).toBe(150);
    for (let hour = 0; hour < 40; hour += 1) {
      clock.run(3_600_000);
      through(400 + hour, (n) => `10.${hour}.${n >> 8}.${n & 255}`);
    }
    expect(Math.max(...throttle.sizes())).toBeLessThanOrEqual(MAX_REMEMBERED);
  });

  test("[A237] an IPv6 network is one place, and an IPv4 address in IPv6 is itself", () => {
    expect(placeOf("::ffff:10.0.0.7")).toBe("10.0.0.7");
    expect(placeOf("2001:db8:0:1::7")).toBe(placeOf("2001:0DB8:0:1:ffff:1:2:3"));
    expect(placeOf("2001:db8:0:1::7")).not.toBe(placeOf("2001:db8:0:2::7"));
    expect(placeOf("::1")).toBe("0:0:0:0::/64");
  });

  test("[A235] the hub answers 429 with the time to wait, also when the password is right", async () => {
    await add("anna");
    for (let tried = 0; tried < FREE_TRIES; tried += 1) await logIn("anna", { password: OTHER });
    const held = await logIn("anna");
    expect([held.status, held.body.code, held.headers["retry-after"]]).toEqual([429, "too-many-logins", "1"]);
    hub.advance(1_001);
    expect((await logIn("anna")).status).toBe(200);
  });
});

describe("the second factor", () => {
  const codeFrom = (secret: string, offsetMs = 0): string =>
    new TOTP({ secret }).generate({ timestamp: Date.now() + moved + offsetMs });
  let moved = 0;
  const advance = (ms: number): void => {
    moved += ms;
    hub.advance(ms);
  };
  beforeEach(() => {
    moved = 0;
    return add("anna");
  });
  async function enabled(): Promise<{ token: string; secret: string; recoveryCodes: string[] }> {
    const token = await tokenOf("anna");
    const begun = await hub.call("POST", "/v1/session/second-factor", { password: PASSWORD }, { token });
    const { secret } = begun.body;
    const confirmed = await hub.call("PUT", "/v1/session/second-factor", { code: codeFrom(secret) }, { token });
    expect([begun.status, confirmed.status]).toEqual([200, 200]);
    return { token, secret, recoveryCodes: confirmed.body.recoveryCodes };
  }

  test("[A240] it counts once a code confirmed it; then a login needs one, and each code counts once", async () => {
    const token = await tokenOf("anna");
    const begin = (password: string) => hub.call("POST", "/v1/session/second-factor", { password }, { token });
    expect((await begin(OTHER)).body.code).toBe("login-refused");
    const { secret, uri } = (await begin(PASSWORD)).body;
    expect(uri).toMatch(/^otpauth:\/\/totp\/Skerry:anna%40localhost\?/);
    expect(uri).toContain(secret);
    expect((await logIn("anna")).status).toBe(200);
    const confirm = (code: string) => hub.call("PUT", "/v1/session/second-factor", { code }, { token });
    expect((await confirm("000000")).body.code).toBe("login-refused");
    const code = codeFrom(secret);
    expect((await confirm(code)).body.recoveryCodes).toHaveLength(10);
    expect((await logIn("anna")).body.code).toBe("second-factor-needed");
    expect((await logIn("anna", { code })).body.code).toBe("login-refused");
    advance(30_000);
    const next = codeFrom(secret);
    expect((await logIn("anna", { code: next })).status).toBe(200);
    expect((await logIn("anna", { code: next })).body.code).toBe("login-refused");
    // Half a minute off either way, and no more; a step that is past the last one taken.
    expect((await logIn("anna", { code: codeFrom(secret, 30_000) })).status).toBe(200);
    advance(90_000);
    expect((await logIn("anna", { code: codeFrom(secret, -60_000) })).body.code).toBe("login-refused");
    expect((await logIn("anna", { code: codeFrom(secret, 60_000) })).body.code).toBe("login-refused");
    expect((await logIn("anna", { password: OTHER })).body.code).toBe("login-refused");
  });

  test("[A240] of two logins with one code at the same moment one gets through", async () => {
    const { secret } = await enabled();
    advance(30_000);
    const code = codeFrom(secret);
    const answers = await Promise.all([logIn("anna", { code }), logIn("anna", { code })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
  });

  test("[A241] a recovery code counts once; new ones put the old ones out; none is stored", async () => {
    const { token, secret, recoveryCodes } = await enabled();
    const [one = "", two = ""] = recoveryCodes;
    expect(one).toMatch(/^([a-z2-9]{4}-){3}[a-z2-9]{4}$/);
    expect(JSON.stringify(hub.store.user("anna"))).not.toContain(one);
    expect((await logIn("anna", { code: one.toUpperCase().replaceAll("-", " ") })).status).toBe(200);
    expect((await logIn("anna", { code: one })).body.code).toBe("login-refused");
    advance(30_000);
    const renewed = await hub.call(
      "POST",
      "/v1/session/recovery-codes",
      { password: PASSWORD, code: codeFrom(secret) },
      { token },
    );
    expect(renewed.body.recoveryCodes).toHaveLength(10);
    expect((await logIn("anna", { code: two })).body.code).toBe("login-refused");
    expect((await logIn("anna", { code: renewed.body.recoveryCodes[0] })).status).toBe(200);
  });

  test("[A242] its secret is sealed with a key that is not in the database; sealed for one user it does not open for another", async () => {
    const { secret } = await enabled();
    const factor = hub.store.user("anna")?.secondFactor;
    expect(factor?.kind === "on" ? factor.sealedSecret : "").toMatch(/^s1\.[0-9a-f]{24}\.[0-9a-f]+$/);
    expect(JSON.stringify(hub.store.user("anna")) + (await audit()).text).not.toContain(secret);
  });

  test("[A243] it is switched off with password and code, or by who manages users; and changing the password needs the code", async () => {
    const { token, recoveryCodes } = await enabled();
    const off = (body: object) => hub.call("POST", "/v1/session/second-factor/remove", body, { token });
    expect((await off({ password: PASSWORD })).body.code).toBe("second-factor-needed");
    const change = { password: PASSWORD, newPassword: OTHER };
    expect((await hub.call("PUT", "/v1/session/password", change, { token })).body.code).toBe("second-factor-needed");
    expect((await off({ password: PASSWORD, code: recoveryCodes[0] })).body).toEqual({
      name: "anna",
      secondFactor: false,
    });
    expect((await logIn("anna")).status).toBe(200);
    await hub.call("POST", "/v1/session/second-factor", { password: PASSWORD }, { token });
    expect((await hub.call("DELETE", "/v1/users/anna/second-factor")).body.secondFactor).toBe(false);
    expect((await hub.call("DELETE", "/v1/users/anna/second-factor")).body.code).toBe("change-refused");
    expect((await hub.call("POST", "/v1/session/second-factor", { password: PASSWORD })).body.code).toBe("no-session");
  });
});

describe("the set-up", () => {
  const setUp = (code: string, more: object = {}, headers: Record<string, string> = {}) =>
    hub.call("POST", "/v1/setup", { code, name: "anna", password: PASSWORD, ...more }, { token: null, headers });

  test("[A245] the link's code makes the first user, an admin, and then no more", async () => {
    const old = hub.http.beginSetUp() ?? "";
    const code = hub.http.beginSetUp() ?? "";
    expect(code).toMatch(/^[0-9a-f]{32}$/);
    for (const wrong of [old, "0".repeat(32), "x"]) expect((await setUp(wrong)).body.code).toBe("setup-refused");
    expect((await setUp(code, {}, { origin: "https://evil.example" })).body.code).toBe("cross-site-request");
    expect((await setUp(code, { password: "short" })).body.code).toBe("change-refused");
    const both = await Promise.all([setUp(code), setUp(code, { name: "bert" })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, expect.any(Number)]);
    expect(hub.store.users()).toMatchObject([{ role: "admin", createdBy: "set-up link" }]);
    expect((await setUp(code, { name: "eve" })).body.code).toBe("setup-refused");
    expect(hub.http.beginSetUp()).toBeNull();
    expect((await audit()).text).not.toContain(code);
  });

  test("[A245] it ends after a day, and with the first user, however he came to be", async () => {
    const code = hub.http.beginSetUp() ?? "";
    hub.advance(24 * 3_600_000);
    expect((await setUp(code)).body.code).toBe("setup-refused");
    const next = hub.http.beginSetUp() ?? "";
    await add("bert");
    expect((await setUp(next)).body.code).toBe("setup-refused");
  });

  test("[A246] its page runs its own script and nothing else, is kept nowhere and put in no frame", async () => {
    const [page, script, style] = await Promise.all(
      ["/setup", "/setup.js", "/setup.css"].map((url) => hub.call("GET", url, undefined, { token: null })),
    );
    expect([page?.headers["content-type"], script?.headers["content-type"], style?.headers["content-type"]]).toEqual([
      "text/html; charset=utf-8",
      "text/javascript; charset=utf-8",
      "text/css; charset=utf-8",
    ]);
    expect(page?.headers["content-security-policy"]).toMatch(
      /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
    );
    expect(page?.headers).toMatchObject({
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
    });
    expect(page?.text).not.toMatch(/<script>|<style>| style=| on\w+=/);
    expect(script?.text).not.toMatch(/innerHTML|eval|document\.write/);
  });
});

// Every hostile attempt of the threat model: who tries it, what is tried, how it must end, and the test that shows it, whose title quotes the number in
// round brackets. What no test shows yet says why. docs/SECURITY.md has this list as a table: node test/hostile/page.ts writes it.

/** A1 to A10 as docs/SECURITY.md names them. */
export type Actor = "A1" | "A2" | "A3" | "A4" | "A5" | "A6" | "A7" | "A8" | "A9" | "A10";

export interface Attempt {
  readonly id: `H${string}`;
  readonly actor: Actor;
  readonly tries: string;
  /** How it must end. */
  readonly ends: string;
  readonly shown: Shown;
}

export type Shown =
  /** By tests that quote the number. `short`: what of the attempt they do not show; "": nothing. */
  | { readonly by: "test"; readonly files: readonly string[]; readonly short: string }
  /** There is nothing yet that could be attacked so, or the attempt is not automated; why. */
  | { readonly by: "none"; readonly why: string };

const door = "test/hostile/door.test.ts";
const slow = "test/hostile/slow.test.ts";
const idle = "test/hostile/idle.test.ts";
const frames = "test/hostile/frames.test.ts";
const people = "test/hostile/people.test.ts";
const words = "test/hostile/words.test.ts";
const agent = "test/hostile/agent.test.ts";
const fuzz = "test/fuzz/fuzz.test.ts";
const lock = "test/proof/lock.test.ts";
const login = "hub/src/http/login/login.test.ts";
const clock = "test/e2e/clock.test.ts";
const logs = "test/e2e/logs.test.ts";
const health = "test/e2e/health.test.ts";
const hubKey = "test/e2e/hub-key.test.ts";
const trust = "test/unit/trust.test.ts";
const agentTrust = "test/unit/agent/trust.test.ts";
const values = "agent/src/values/values.test.ts";
const hubValues = "test/unit/hub/values.test.ts";
const policy = "shared/src/policy/policy.test.ts";
const policyE2e = "test/e2e/policy.test.ts";

const by = (...files: readonly string[]): Shown => ({ by: "test", files, short: "" });
const partly = (short: string, ...files: readonly string[]): Shown => ({ by: "test", files, short });
const none = (why: string): Shown => ({ by: "none", why });
const attempt = (id: Attempt["id"], actor: Actor, tries: string, ends: string, shown: Shown): Attempt => ({
  ...{ id, actor, tries, ends, shown },
});

const NO_UPDATE = "There is no self-update.";

export const ATTEMPTS: readonly Attempt[] = [
  attempt(
    "H01",
    "A1",
    "A body of 1 GiB, with and without its length",
    "413 at 2 MiB; 401 before anything is read of a stranger's",
    by(door),
  ),
  attempt(
    "H02",
    "A1",
    "Headers, a body, or nothing at all, dribbled",
    "Headers and silence are cut off after 10 s, a body after 35 s",
    by(slow),
  ),
  attempt(
    "H03",
    "A1",
    "10,000 idle connections; links that never say hello",
    "All are cut off in seconds; others are served; one address holds at most 1,000 connections that say nothing, and 500 links without a hello",
    partly(
      "A stranger with many addresses can still take the 4,000 places of those who have not said who they are, by dialling 800 times a second: each is lost after five seconds when somebody else comes. That takes 64 KB of the hub's memory each, 256 MB in all; nodes that are connected stay.",
      idle,
      frames,
    ),
  ),
  attempt(
    "H04",
    "A1",
    "A websocket frame of 100 MB, or one that claims 2^63 bytes",
    "The connection ends: a stranger's after 16 KiB, a node's after 1 MiB",
    by(frames),
  ),
  attempt(
    "H05",
    "A1",
    "A frame in a million pieces, or byte by byte",
    "The connection ends after 64 pieces, or 4,096 waiting chunks",
    by(frames, "test/unit/hub/ws-connection.test.ts"),
  ),
  attempt(
    "H06",
    "A1",
    "A compression bomb",
    "Compression is never agreed on; a compressed frame ends the connection",
    by(frames),
  ),
  attempt("H07", "A1", "JSON 100,000 levels deep", "400; a frame ends its connection", by(door, frames)),
  attempt(
    "H08",
    "A1",
    "`__proto__` and `constructor.prototype` as keys",
    "400; 422 in a Compose file; no prototype changes",
    by(door),
  ),
  attempt(
    "H09",
    "A1",
    "Keys that stand twice, numbers beyond 2^53",
    "Such numbers: 400. Of a key that stands twice the last value is checked, done and audited",
    partly(
      "A key that stands twice is not refused: there is one parser, so no two parts can read it differently.",
      door,
    ),
  ),
  attempt("H10", "A1", "Content types that are nearly JSON", "415, or checked as JSON: never past the check", by(door)),
  attempt(
    "H11",
    "A1",
    "Password spraying",
    "Slowed down by account, by address and in all; nobody is locked out by others",
    by(login),
  ),
  attempt(
    "H12",
    "A1",
    "Telling who exists by words or time",
    "The same words for an id that exists and one that does not",
    partly("The work is the same, a hash in each case; the time itself is not measured.", people, login),
  ),
  attempt(
    "H13",
    "A1",
    "Requests hidden behind an ambiguous length",
    "400, and the connection ends: nothing behind it is read",
    by(door, frames),
  ),
  attempt("H14", "A1", "Texts on which a pattern takes for ever", "Answered at once", by(door)),

  attempt("H15", "A2", "A self-signed certificate in the middle", "Refused before a token is sent", by(hubKey)),
  attempt(
    "H16",
    "A2",
    "A public CA's certificate for the hub's name, with another key",
    "Refused by the pin",
    partly(
      "No certificate of a public CA is at hand: it is shown that the certificate is not looked at at all, and the key alone counts.",
      trust,
    ),
  ),
  attempt("H17", "A2", "A downgrade to old TLS or plain text", "Refused", by(hubKey, trust)),
  attempt(
    "H18",
    "A2",
    "A recorded hello, sent again",
    "Refused: it signs the challenge of another connection",
    by(frames, hubKey),
  ),
  attempt(
    "H19",
    "A2",
    "An assignment for another node or installation",
    "Refused as foreign, or for its signature",
    by(agent, agentTrust),
  ),
  attempt(
    "H20",
    "A2",
    "An older assignment, spliced halves",
    "Refused as stale, fork or invalid, or for its signature; nothing is removed for being left out",
    partly("A node that is told nothing new for ever shows only how long the hub has been silent.", agent, agentTrust),
  ),

  attempt(
    "H21",
    "A3",
    "Reading a stolen card for secrets",
    "No secret stands there in clear",
    partly(
      "What is copied without the node's key opens nothing; whoever has the whole card has its key too, and can open what that node was given.",
      values,
    ),
  ),
  attempt(
    "H22",
    "A3",
    "A copied card, while the first machine is on or off",
    "The node is frozen for both until somebody unfreezes it; an event tells of it; what runs stays",
    partly(
      "A copy that is used while the first machine is off is let in until the first comes back: nobody can tell them apart before.",
      frames,
      "test/e2e/trust.test.ts",
      "test/unit/hub/trust.test.ts",
    ),
  ),
  attempt(
    "H23",
    "A3",
    "Coming back after being removed",
    "The socket closes within 5 s; no way in by any door",
    by(frames, "test/e2e/trust.test.ts"),
  ),
  attempt(
    "H24",
    "A3",
    "Setting a clock back to revive what has expired",
    "Nothing that keeps a node working expires; tokens go by the hub's clock",
    by(trust, clock),
  ),
  attempt(
    "H25",
    "A3",
    "A ledger with a raised position",
    "The hub believes no position that it never gave out",
    by(words),
  ),
  attempt(
    "H26",
    "A3",
    "Data folders of two nodes swapped or mixed",
    "A machine is the node whose key it has; half a mix is refused",
    by(agent),
  ),

  attempt(
    "H27",
    "A4",
    "Another node's link, or anything of the API, with a node's key",
    "401 or closed, in the same words whether the other exists or not",
    by(frames),
  ),
  attempt("H28", "A4", "Reporting about another node's workloads", "Has no effect", by(words)),
  attempt(
    "H29",
    "A4",
    "Own labels, to match what is meant for others",
    "The token's labels win; a node changes none afterwards",
    partly(
      "A label that the token does not name is the machine's own word when it joins: name in the token those that placement is trusted with.",
      people,
    ),
  ),
  attempt(
    "H30",
    "A4",
    "Words of 10 MB, with controls, markup, NUL, or running backwards",
    "Too long or NUL: the connection ends. The rest is shown as escapes and is only ever JSON",
    by(words),
  ),
  attempt(
    "H31",
    "A4",
    "Event numbers that jump to 2^53−1, are negative or no numbers",
    "The connection ends; 2^48 silences only the node itself",
    by(frames),
  ),
  attempt("H32", "A4", "100,000 events, or frames, a second", "The connection ends; no neighbour waits", by(frames)),
  attempt(
    "H33",
    "A4",
    "Unknown messages and values",
    "The connection ends, nothing changes; unknown fields are let be",
    by(frames, fuzz),
  ),
  attempt("H34", "A4", "Names that climb out of their folder", "They are names and nothing else", by(words)),
  attempt("H35", "A4", "Healthy, at an older revision", "Not shown as good", by(words)),
  attempt("H36", "A4", "Answering where nothing was asked", "403 before the handshake", by(frames)),

  attempt("H37", "A5", "Other people's ids", "Answered to the letter as what is not there", by(people)),
  attempt("H38", "A5", "Fields that a request does not have", "400, by name", by(people)),
  attempt("H39", "A5", "An admin's call with a viewer's token", "403", by(people)),
  attempt(
    "H40",
    "A5",
    "A foreign page that uses a browser's own means",
    "401 without a session; with a cookie 403: it counts from the hub's own page alone",
    by(people, login),
  ),
  attempt("H41", "A5", "A websocket from a foreign page", "403", by(frames)),
  attempt("H42", "A5", "A session fixed beforehand", "A new one at login", by(login)),
  attempt("H43", "A5", "A session after logout, disabling or a new password", "401", by(login)),
  attempt("H44", "A5", "A webhook to an address inside", "Refused", none("There are no webhooks.")),
  attempt(
    "H45",
    "A5",
    "Markup and controls in names, labels and variables",
    "Refused in names and labels; shown as escapes elsewhere",
    by(words),
  ),
  attempt(
    "H46",
    "A5",
    "Backups and secrets by a low role",
    "403",
    partly("There are no backups yet.", people, hubValues, "test/unit/hub/registries.test.ts"),
  ),

  attempt(
    "H47",
    "A6",
    "Privileged, host namespaces, devices, capabilities",
    "Refused unless a policy grants it",
    by(policy, policyE2e),
  ),
  attempt(
    "H48",
    "A6",
    "Host paths and the engine's socket",
    "Refused unless a policy grants it; what a link leads to is refused at the node",
    by(policy, policyE2e),
  ),
  attempt(
    "H49",
    "A6",
    "Switching seccomp, AppArmor or masked paths off",
    "Refused unless a policy grants it",
    by(policy),
  ),
  attempt("H50", "A6", "Widening an accepted container by an update", "Refused", by(policyE2e)),
  attempt("H51", "A6", "YAML bombs, merge keys, aliases, tags that run code", "422, soon", by(words)),
  attempt("H52", "A6", "Values of 10 MB, and NUL", "413 or 422", by(words)),
  attempt("H53", "A6", "Volumes or network of a container that is not the app's", "422", by(words, policy)),
  attempt(
    "H54",
    "A6",
    "Forging the labels by which Skerry knows its own",
    "422, also by interpolation and from files",
    by(words, policy),
  ),
  attempt(
    "H55",
    "A6",
    "Fork bomb, log flood, memory and file hogs",
    "Held to the limits",
    partly(
      "Files are not limited in number: a container that opens too many meets the kernel's own limit. Logs are bounded by the engine, as it is told.",
      ...[policy, policyE2e, logs, health],
    ),
  ),
  attempt(
    "H56",
    "A6",
    "Images that escape, or are not what they say",
    "Refused or harmless",
    partly(
      "Of a container's own settings; no hostile image is run. An image that is named by digest is what it says by the engine's own check.",
      policy,
    ),
  ),

  attempt(
    "H57",
    "A7",
    "A join token's second use, also at the same moment",
    "401, and one machine alone gets in",
    by(people),
  ),
  attempt("H58", "A7", "An expired or withdrawn join token; one used for anything else", "401; 403", by(people)),
  attempt("H59", "A7", "A token whose hub was altered", "Refused by the agent", by(trust)),
  attempt(
    "H60",
    "A7",
    "Guessed tokens, another node's name or key",
    "429 after thirty; the name gets a number; a key without its private half opens nothing",
    by(people),
  ),

  attempt("H61", "A8", "An update that is badly signed or older", "Refused", none(NO_UPDATE)),
  attempt("H62", "A8", "An update that is cut or padded", "Refused", none(NO_UPDATE)),
  attempt(
    "H63",
    "A8",
    "A package that changed, or runs a script when installed",
    "npm ci refuses other content; scripts are off; a test knows each that there is",
    by(lock),
  ),
  attempt("H64", "A8", "A part list that leaves out what is shipped", "npm run sbom fails", by(lock)),

  attempt(
    "H65",
    "A9",
    "Looking for secrets in database, journal and files",
    "None in any form",
    partly(
      "Of tokens, node keys, secrets, configs and registries' passwords. A variable's value in a Compose file stands in the database.",
      people,
      hubValues,
      "test/e2e/secrets.test.ts",
      "test/unit/hub/registries.test.ts",
      "test/e2e/registry.test.ts",
    ),
  ),
  attempt(
    "H66",
    "A9",
    "A backup on another machine, without the key",
    "Refused",
    partly("There is no backup command: shown of a copy of the database, started without the files beside it.", people),
  ),
  attempt("H67", "A9", "Hashes and public keys out of the database, used as tokens", "401", by(people)),

  attempt(
    "H68",
    "A10",
    "A container that looks for the agent's ports and sockets",
    "There is no port; sockets are for their owner",
    partly(
      "Seen from the machine itself, of an agent that waits for its hub; from inside a container it needs an engine.",
      agent,
    ),
  ),
  attempt("H69", "A10", "A neighbour that spoofs the hub's name", "Refused by the pin", by(hubKey)),
  attempt("H70", "A10", "A local user who reads the agent's or hub's files", "0700 and 0600", by(agent)),
];

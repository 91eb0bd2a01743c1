// Writes docs/limits.md: every limit on every door, read from the constants in the source and the comments above them, so that page and program cannot
// say different things. Run: node test/proof/limits.ts. A limit that is not a number stands in the page's own words at its end.
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..");
export const LIMITS_PAGE = join(ROOT, "docs", "limits.md");

interface Door {
  readonly title: string;
  readonly says: string;
  readonly files: readonly string[];
}

const DOORS: readonly Door[] = [
  {
    title: "HTTP, into the hub",
    says: "People, scripts, the command line and machines that join. Too much is answered with a code of [api-errors](api-errors.md), and closed where it goes on.",
    files: [
      "hub/src/http/server.ts",
      "hub/src/http/strangers.ts",
      "hub/src/http/auth.ts",
      "hub/src/http/refusals.ts",
      "hub/src/http/change-rate.ts",
      "hub/src/http/schemas/common.ts",
      "hub/src/http/schemas/apps.ts",
      "hub/src/http/schemas/tokens.ts",
      "hub/src/http/schemas/people.ts",
      "hub/src/http/audit.ts",
      "hub/src/http/error-answer.ts",
      "hub/src/http/login/passwords.ts",
      "hub/src/http/login/throttle.ts",
      "hub/src/tls/server.ts",
    ],
  },
  {
    title: "Watches and logs, out of the hub",
    says: "Answers that stay open. Who does not read is cut off.",
    files: [
      "hub/src/http/event-stream.ts",
      "hub/src/http/watch.ts",
      "hub/src/http/logs.ts",
      "hub/src/http/open-streams.ts",
    ],
  },
  {
    title: "The agents' link, at the hub",
    says: "Websockets of nodes, and of whoever says to be one. More than this ends that one connection.",
    files: [
      "hub/src/link/limits.ts",
      "hub/src/link/ws-connection.ts",
      "hub/src/link/server.ts",
      "hub/src/link/streams.ts",
    ],
  },
  {
    title: "Frames, both ways",
    says: "Both sides check these.",
    files: [
      "shared/src/protocol/version.ts",
      "shared/src/protocol/streams.ts",
      "shared/src/protocol/values.ts",
      "shared/src/model/ids.ts",
      "shared/src/model/value.ts",
      "shared/src/model/image-name.ts",
      "shared/src/model/registry-login.ts",
    ],
  },
  {
    title: "The agent's link, streams and joining, at the node",
    says: "What a node takes from whatever answers at the hub's address.",
    files: [
      "agent/src/link/ws-options.ts",
      "agent/src/link/ws-dial.ts",
      "agent/src/link/session.ts",
      "agent/src/link/roll-key.ts",
      "agent/src/link/join.ts",
      "agent/src/streams/dial.ts",
      "agent/src/streams/router.ts",
      "agent/src/streams/streams.ts",
    ],
  },
  {
    title: "On the node: its socket, containers, engine and registries",
    says: "What an agent takes from its own machine, and from registries that files name.",
    files: [
      "agent/src/control/server.ts",
      "agent/src/times/holds.ts",
      "agent/src/prober/prober.ts",
      "agent/src/registry/registry.ts",
      "agent/src/registry/manifest.ts",
      "agent/src/engine/docker.ts",
      "agent/src/engine/docker-stream.ts",
      "agent/src/engine/docker-logs.ts",
      "agent/src/engine/docker-errors.ts",
      "agent/src/ledger/ledger.ts",
      "agent/src/ledger/sqlite.ts",
    ],
  },
  {
    title: "Compose files",
    says: "The same in `skerry validate` and at the hub.",
    files: [
      "hub/src/compose/limits.ts",
      "hub/src/compose/deploy.ts",
      "hub/src/compose/update.ts",
      "hub/src/compose/window.ts",
      "hub/src/compose/probes.ts",
      "hub/src/compose/values.ts",
      "shared/src/model/container.ts",
      "shared/src/model/update.ts",
    ],
  },
  {
    title: "Behind the hub's doors",
    says: "What a caller or a node that came in may pile up.",
    files: [
      "hub/src/control-loop.ts",
      "hub/src/core/received.ts",
      "hub/src/core/handle.ts",
      "hub/src/core/people-command.ts",
      "hub/src/core/wish-command.ts",
      "hub/src/core/drain.ts",
      "hub/src/store/limits.ts",
    ],
  },
  {
    title: "The command line, from the hub",
    says: "A hub that turned must not fill the terminal's machine.",
    files: ["hub/src/cli/client.ts", "hub/src/cli/terminal.ts", "hub/src/cli/hub-call.ts"],
  },
];

/** Files with limits that are on no door: what is worked out, kept or shown of what came in. */
const NO_DOOR = [/^agent\/src\/core\//, /^hub\/src\/core\//, /^hub\/src\/http\/views\//];
/** Numbers that bound nothing: units, versions, and how long something of ours is. */
const NO_LIMIT =
  /^((SECOND|MINUTE|HOUR|DAY)_MS|(PROTOCOL|SCHEMA)_\w+|(OLDEST|NEWEST)_\w+|UNSUPPORTED_DATA|(NONCE|TICKET|HEADER|FRAME_HEADER)_BYTES)$/;
/** Exported under such a name, a number is a limit and stands on the page. */
const LIMIT_NAME = /^MAX_|^(?!DEFAULT_).*_(TIMEOUT|DEADLINE)_MS$|_(BURST|PER_SECOND|PER_MINUTE)$/;

const AS_ABOVE = "As the one above.";

interface Constant {
  readonly name: string;
  readonly text: string;
  readonly says: string;
  readonly exported: boolean;
}

export interface Limit {
  readonly file: string;
  readonly name: string;
  readonly value: number;
  readonly says: string;
}

/** Numbers at the top of a file, with the comment above each; one right below another shares its comment. */
export function constantsIn(source: string): readonly Constant[] {
  const found: Constant[] = [];
  let comment = "";
  let inComment = false;
  let above = "";
  for (const line of source.split("\n")) {
    const constant = /^(export )?const ([A-Z][A-Z0-9_]*)(?:: number)? = ([^;]+);$/.exec(line);
    if (constant !== null) {
      const [, exported, name = "", text = ""] = constant;
      const says = comment === "" ? above : comment;
      const isNumber = /^[\dA-Z_ *+().]+$/.test(text);
      if (isNumber && !NO_LIMIT.test(name)) found.push({ name, text, says, exported: exported !== undefined });
      // What stands above a number stands for the one below it too, unless that has its own.
      above = says === "" || says.startsWith(AS_ABOVE) ? says : AS_ABOVE;
      comment = "";
      continue;
    }
    const opens = /^\/\*\*/.test(line);
    if (opens || inComment) {
      const words = line.replace(/^\/\*\*\s?|^ \*\/?\s?/g, "").replace(/\s*\*\/$/, "");
      comment = opens ? words : `${comment} ${words}`.trim();
      inComment = !line.includes("*/");
      if (opens) above = "";
      continue;
    }
    comment = "";
    above = "";
  }
  return found;
}

/** Sums, products and powers of numbers and of other constants. Throws on anything else. */
export function workedOut(text: string, named: (name: string) => number): number {
  const terms = text.split("+").map((term) =>
    term
      .replaceAll("**", "^")
      .split("*")
      .map((factor) => {
        const [base = "", exponent] = factor.split("^").map((part) => part.trim());
        return exponent === undefined ? atom(base, named) : atom(base, named) ** atom(exponent, named);
      })
      .reduce((product, factor) => product * factor, 1),
  );
  return terms.reduce((sum, term) => sum + term, 0);
}

function atom(text: string, named: (name: string) => number): number {
  const value = /^[A-Z]/.test(text) ? named(text) : Number(text.replaceAll("_", ""));
  if (!Number.isFinite(value)) throw new Error(`${text} is no number`);
  return value;
}

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

export function limitsOf(files: readonly string[]): readonly Limit[] {
  return files.flatMap((file) =>
    constantsIn(read(file)).map(({ name, text, says }) => ({
      ...{ file, name, says },
      value: workedOut(text, (other) => valueNamed(other, file)),
    })),
  );
}

/** In the same file, or in whichever file exports it: names of exported limits that others build on are unique. */
function valueNamed(name: string, file: string): number {
  const places = [file, ...DOORS.flatMap(({ files }) => files)];
  for (const place of places) {
    const found = constantsIn(read(place)).find((one) => one.name === name && (place === file || one.exported));
    if (found !== undefined) return workedOut(found.text, (other) => valueNamed(other, place));
  }
  throw new Error(`${file} builds a limit on ${name}, which no file of a door exports`);
}

/** Exported limits that stand in no file of a door. */
export function strays(): readonly string[] {
  const known = new Set(DOORS.flatMap(({ files }) => files));
  return globSync("{shared,agent,hub}/src/**/*.ts", { cwd: ROOT })
    .filter((file) => !file.endsWith(".test.ts") && !known.has(file) && !NO_DOOR.some((folder) => folder.test(file)))
    .sort()
    .flatMap((file) =>
      constantsIn(read(file))
        .filter(({ name, exported }) => exported && LIMIT_NAME.test(name))
        .map(({ name }) => `${file}: ${name}`),
    );
}

export function limitsPage(): string {
  const sections = DOORS.map(({ title, says, files }) => {
    const rows = limitsOf(files).map(
      ({ file, name, value, says: why }) =>
        `| \`${name}\` | ${shown(name, value)} | ${why.replaceAll("|", "\\|")} | \`${file}\` |`,
    );
    return [
      `## ${title}`,
      "",
      says,
      "",
      "| constant | value | what it bounds, and why | file |",
      "|---|---|---|---|",
      ...rows,
      "",
    ].join("\n");
  });
  return [HEAD, ...sections, FOOT].join("\n");
}

function shown(name: string, value: number): string {
  const plain = value.toLocaleString("en-US");
  if (/_MS$/.test(name)) return `${plain} ms${value >= 1_000 ? ` (${duration(value)})` : ""}`;
  if (/BYTES/.test(name) && value >= 1_024 && value % 1_024 === 0)
    return value % 1_048_576 === 0 ? `${value / 1_048_576} MiB` : `${value / 1_024} KiB`;
  return plain;
}

function duration(ms: number): string {
  const units = [
    [86_400_000, "days"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1_000, "s"],
  ] as const;
  const [size, unit] = units.find(([one]) => ms >= 2 * one) ?? [1_000, "s"];
  return `${Math.round((ms / size) * 10) / 10} ${unit}`;
}

const HEAD = `# Limits

Every limit on every door, in both directions. This page is made from the constants in the source and the comments above them
(\`node test/proof/limits.ts\`); a test compares the two, and fails when an exported limit stands in no file that is listed here.
Texts in frames and requests have limits of their own in their schemas (\`shared/src/model\`, \`shared/src/protocol\`, \`hub/src/http/schemas\`): a word of a
node has at most 4,096 characters, a name 63, a label 255.
`;

const FOOT = `## Limits that are no number

| door | limit | where |
|---|---|---|
| HTTP | JSON alone, by its exact content type; keys that reach for prototypes and unknown fields are refused | \`hub/src/http/server.ts\`, schemas |
| HTTP | the number of headers is bounded by their size together; \`X-Forwarded-*\` is believed of a proxy on this machine alone, when the hub was told of one | \`hub/src/http/server.ts\` |
| HTTP | who it is and what he may do is judged before a body is read | \`hub/src/http/door.ts\` |
| websockets, both sides | no compression: one that is offered is not taken, a compressed frame ends the connection | \`hub/src/link/ws-connection.ts\`, \`agent/src/link/ws-options.ts\` |
| websockets, hub | an Origin is refused: browsers have no business there | \`hub/src/link/ws-connection.ts\` |
| websockets, agent | redirects are not followed | \`agent/src/link/ws-options.ts\` |
| JSON | depth has no limit of its own: what is parsed is bounded by its size, and no schema is recursive | \`shared/src/protocol/codec.ts\` |
| counters | at most 2^48, so that no peer can push one to where adding stops | \`shared/src/model/ids.ts\` |
| addresses | HTTP connections are bounded in all and not for each address: fleets stand behind one. Links without a hello are bounded for each | \`hub/src/link/limits.ts\` |
`;

if (import.meta.main) writeFileSync(LIMITS_PAGE, limitsPage());

// Reads typed values out of a map of the tree. What is absent, or YAML's null, is null; what is of the wrong kind is told
// with its place, and is null too, so that one reading finds every mistake. It must never throw, and never guess.
import type { Amount } from "@skerry/shared/model/update.ts";
import { compareText, didYouMean, type Notes, type ProblemCode } from "./problem.ts";
import { joinPath, type MapTree, placeOf, type ScalarTree, type Tree } from "./tree.ts";
import { parseAmount, parseBytes, parseDurationMs, parseNanoCpus, parseShare } from "./values.ts";

/** A node and how it was reached. The same node stands at several paths when an alias or `extends` shares it. */
export interface Spot<T extends Tree = Tree> {
  readonly tree: T;
  readonly path: string;
}
export type MapSpot = Spot<MapTree>;

export interface Fields {
  readonly notes: Notes;
  /** Part of a value for a message: as written in the file when a variable stands in it. */
  quote(at: Spot, part: string): string;
  fault(at: Spot, code: ProblemCode, message: string, hint?: string): null;
  /** The value under a key, unless absent or null. */
  at(of: MapSpot, key: string): Spot | null;
  map(of: MapSpot, key: string): MapSpot | null;
  /** Items of a list, nulls left out. */
  items(of: MapSpot, key: string): readonly Spot[];
  text(of: MapSpot, key: string): string | null;
  boolean(of: MapSpot, key: string): boolean | null;
  integer(of: MapSpot, key: string, least: number, most?: number): number | null;
  durationMs(of: MapSpot, key: string): number | null;
  /** A duration that must not be shorter or longer than said. */
  durationWithin(of: MapSpot, key: string, leastMs: number, mostMs: number): number | null;
  bytes(of: MapSpot, key: string): number | null;
  nanoCpus(of: MapSpot, key: string): number | null;
  /** A number from `least` on, or a percentage. */
  amount(of: MapSpot, key: string, least: number): Amount | null;
  /** From 0 to 1, also written as a percentage. */
  share(of: MapSpot, key: string): number | null;
  oneOf<T extends string>(of: MapSpot, key: string, choices: readonly T[]): T | null;
  /** A list of texts. */
  texts(of: MapSpot, key: string): string[];
  /** One text, or a list of them. */
  textOrTexts(of: MapSpot, key: string): string[];
  /** A map, or a list of `KEY=VALUE`. null: the key stands there without a value. In the file's order. */
  pairs(of: MapSpot, key: string): readonly { key: string; value: string | null; at: Spot }[];
  /** As `pairs`, where a key without a value has the empty text, sorted. */
  record(of: MapSpot, key: string): Record<string, string>;
  asText(at: Spot): string | null;
  asMap(at: Spot): MapSpot | null;
}

const TRUE: ReadonlySet<string> = new Set(["true", "yes", "on", "y", "1"]);
const FALSE: ReadonlySet<string> = new Set(["false", "no", "off", "n", "0"]);

export function entriesOf(of: MapSpot): { key: string; at: Spot }[] {
  return [...of.tree.entries].map(([key, entry]) => ({
    key,
    at: { tree: entry.value, path: joinPath(of.path, key) },
  }));
}

/** A section of `x-skerry`. */
export function oursOf(service: MapSpot, key: string, fields: Pick<Fields, "map">): MapSpot | null {
  const ours = fields.map(service, "x-skerry");
  return ours === null ? null : fields.map(ours, key);
}

export function sortedRecord<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries([...entries].sort(([a], [b]) => compareText(a, b)));
}

/** "a list", for messages. Never the value itself: it may come from a variable. */
function kindOf(tree: Tree): string {
  if (tree.kind === "list") return "a list";
  if (tree.kind === "map") return "a map";
  switch (tree.type) {
    case "null":
      return "nothing";
    case "boolean":
      return "true or false";
    case "number":
      return "a number";
    case "string":
      return "text";
  }
}

export function createFields(notes: Notes): Fields {
  const fault = (at: Spot, code: ProblemCode, message: string, hint = ""): null => {
    const isFilled = at.tree.kind === "scalar" && at.tree.written !== at.tree.text;
    const more = isFilled
      ? `In the file stands ${JSON.stringify(at.tree.written)}: are its variables set, and right?`
      : "";
    notes.problem(placeOf(at.tree, at.path), code, message, [hint, more].filter((part) => part !== "").join(" "));
    return null;
  };
  const nameOf = (spot: Spot): string => `\`${spot.path.split(".").at(-1) ?? spot.path}\``;
  const wrong = (spot: Spot, wanted: string, hint = ""): null =>
    fault(spot, "value-invalid", `${nameOf(spot)} needs ${wanted}; here stands ${kindOf(spot.tree)}.`, hint);
  const isNull = (tree: Tree): boolean => tree.kind === "scalar" && tree.type === "null";

  const at = (of: MapSpot, key: string): Spot | null => {
    const entry = of.tree.entries.get(key);
    return entry === undefined || isNull(entry.value) ? null : { tree: entry.value, path: joinPath(of.path, key) };
  };
  const asScalar = (spot: Spot, wanted: string, hint = ""): ScalarTree | null =>
    spot.tree.kind === "scalar" && spot.tree.type !== "null" ? spot.tree : wrong(spot, wanted, hint);
  const asText = (spot: Spot): string | null => {
    const scalar = asScalar(spot, "text");
    if (scalar === null) return null;
    return scalar.type === "boolean" ? wrong(spot, "text", `Put it in quotes: "${scalar.text}".`) : scalar.text;
  };
  const asMap = (spot: Spot): MapSpot | null =>
    spot.tree.kind === "map" ? { tree: spot.tree, path: spot.path } : wrong(spot, "a map (KEY: VALUE lines)");
  const items = (of: MapSpot, key: string): readonly Spot[] => {
    const list = at(of, key);
    if (list === null) return [];
    if (list.tree.kind !== "list") {
      wrong(list, "a list", "Begin each item with a dash.");
      return [];
    }
    return list.tree.items
      .map((tree, index) => ({ tree, path: `${list.path}[${index}]` }))
      .filter((item) => !isNull(item.tree));
  };
  const texts = (of: MapSpot, key: string): string[] =>
    items(of, key)
      .map(asText)
      .filter((text) => text !== null);

  /** Reads text with `parse`; `wanted` says what was expected, with an example. */
  const parsed =
    <T>(parse: (text: string) => T | null, wanted: string) =>
    (of: MapSpot, key: string): T | null => {
      const spot = at(of, key);
      if (spot === null) return null;
      const scalar = asScalar(spot, wanted);
      if (scalar === null) return null;
      return parse(scalar.text) ?? fault(spot, "value-invalid", `${nameOf(spot)} needs ${wanted}.`);
    };

  const readDuration = parsed(parseDurationMs, "a duration with its unit, such as 30s or 1m30s");

  const pairs: Fields["pairs"] = (of, key) => {
    const spot = at(of, key);
    if (spot === null) return [];
    if (spot.tree.kind === "list") return listPairs(items(of, key), asText);
    const map = asMap(spot);
    return map === null ? [] : mapPairs(map, asScalar);
  };

  return {
    notes,
    fault,
    quote: ({ tree }, part) => (tree.kind === "scalar" && tree.written !== tree.text ? tree.written : part),
    at,
    asText,
    asMap,
    items,
    texts,
    pairs,
    map: (of, key) => {
      const spot = at(of, key);
      return spot === null ? null : asMap(spot);
    },
    text: (of, key) => {
      const spot = at(of, key);
      return spot === null ? null : asText(spot);
    },
    boolean: parsed((text) => {
      const word = text.toLowerCase();
      return TRUE.has(word) ? true : FALSE.has(word) ? false : null;
    }, "true or false"),
    integer: (of, key, least, most = Number.MAX_SAFE_INTEGER) => {
      const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
      return parsed((text) => {
        const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
        return Number.isSafeInteger(number) && number >= least && number <= most ? number : null;
      }, `a whole number ${range}`)(of, key);
    },
    durationMs: readDuration,
    durationWithin: (of, key, leastMs, mostMs) => {
      const spot = at(of, key);
      const ms = readDuration(of, key);
      if (spot === null || ms === null || (ms >= leastMs && ms <= mostMs)) return ms;
      const range = leastMs === 0 ? `at most ${words(mostMs)}` : `from ${words(leastMs)} to ${words(mostMs)}`;
      return fault(spot, "value-invalid", `${nameOf(spot)} needs a duration ${range}.`);
    },
    bytes: parsed(parseBytes, "a size, such as 64m or 1.5g"),
    nanoCpus: parsed(parseNanoCpus, "a number of CPUs, such as 0.5"),
    amount: (of, key, least) =>
      parsed((text) => {
        const amount = parseAmount(text);
        return amount?.kind === "count" && amount.count < least ? null : amount;
      }, `a whole number from ${least} on, or a percentage from above 0 to 100 such as 25%`)(of, key),
    share: parsed(parseShare, "a share from 0 to 1, such as 0.2 or 20%"),
    oneOf: (of, key, choices) => {
      const spot = at(of, key);
      if (spot === null) return null;
      const text = spot.tree.kind === "scalar" ? spot.tree.text : null;
      const choice = choices.find((candidate) => candidate === text);
      if (choice !== undefined) return choice;
      const hint = text === null ? "" : didYouMean(text, choices);
      return fault(spot, "value-invalid", `${nameOf(spot)} needs one of ${choices.join(", ")}.`, hint);
    },
    textOrTexts: (of, key) => {
      const spot = at(of, key);
      if (spot === null) return [];
      if (spot.tree.kind === "list") return texts(of, key);
      const text = asText(spot);
      return text === null ? [] : [text];
    },
    record: (of, key) => sortedRecord(pairs(of, key).map((pair) => [pair.key, pair.value ?? ""] as const)),
  };
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** A limit in the largest unit that it is a whole number of: "24h" is "1d". */
function words(ms: number): string {
  const [unit, size] = UNITS.find(([, each]) => ms > 0 && ms % each === 0) ?? (["ms", 1] as const);
  return `${ms / size}${unit}`;
}

type Pair = { key: string; value: string | null; at: Spot };

function listPairs(items: readonly Spot[], asText: (spot: Spot) => string | null): Pair[] {
  const pairs: Pair[] = [];
  for (const item of items) {
    const text = asText(item);
    if (text === null) continue;
    const cut = text.indexOf("=");
    pairs.push({ key: cut < 0 ? text : text.slice(0, cut), value: cut < 0 ? null : text.slice(cut + 1), at: item });
  }
  return pairs;
}

function mapPairs(map: MapSpot, asScalar: (spot: Spot, wanted: string) => ScalarTree | null): Pair[] {
  const pairs: Pair[] = [];
  for (const { key, at } of entriesOf(map)) {
    if (at.tree.kind === "scalar" && at.tree.type === "null") {
      pairs.push({ key, value: null, at });
      continue;
    }
    const scalar = asScalar(at, "text or a number");
    if (scalar !== null) pairs.push({ key, value: scalar.text, at });
  }
  return pairs;
}

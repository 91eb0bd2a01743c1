// What `promtool check metrics` finds in a text of metrics, as far as a hub could get it wrong: the format's grammar, and Prometheus's
// advice on names and units. The tool itself is 46 MB; each rule here has a sample that the tool (2.42) was seen to refuse.
const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];
/** Not the base unit of what they measure. */
const OTHER_UNITS =
  /(^|_)(milliseconds?|microseconds?|nanoseconds?|minutes?|hours?|days?|kilobytes?|megabytes?|gigabytes?|bits?|percent|ms|kb|mb|gb)(_|$)/;

interface Family {
  readonly name: string;
  type: string | null;
  help: string | null;
  readonly samples: Sample[];
}
interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** One sentence for each thing that is wrong; [] when nothing is. */
export function expositionProblems(text: string): readonly string[] {
  const problems: string[] = [];
  if (text !== "" && !text.endsWith("\n")) problems.push("the text does not end with a line break");
  const families = readFamilies(text, problems);
  for (const family of families.values()) problems.push(...familyProblems(family));
  return problems;
}

function readFamilies(text: string, problems: string[]): ReadonlyMap<string, Family> {
  const families = new Map<string, Family>();
  let current: Family | null = null;
  const series = new Set<string>();
  const open = (name: string): Family => {
    if (current?.name === name) return current;
    if (families.has(name)) problems.push(`${name}: its lines are not together`);
    current = families.get(name) ?? { name, type: null, help: null, samples: [] };
    families.set(name, current);
    return current;
  };
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const comment = /^# (HELP|TYPE) ([^ ]+) ?(.*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment;
      const family = open(name);
      const key = kind === "HELP" ? "help" : "type";
      if (family[key] !== null) problems.push(`${name}: its ${kind} is said twice`);
      if (family.samples.length > 0) problems.push(`${name}: its ${kind} comes after its samples`);
      family[key] = rest;
      continue;
    }
    if (line.startsWith("#")) continue;
    const sample = readSample(line);
    if (sample === null) {
      problems.push(`not a sample: ${line}`);
      continue;
    }
    const key = `${sample.name} ${JSON.stringify([...sample.labels].sort())}`;
    if (series.has(key)) problems.push(`${sample.name}: the same series twice: ${line}`);
    series.add(key);
    open(familyOf(sample.name, families)).samples.push(sample);
  }
  return families;
}

/** Of a histogram's or summary's parts, the whole. */
function familyOf(name: string, families: ReadonlyMap<string, Family>): string {
  const whole = name.replace(/_(bucket|sum|count)$/, "");
  const type = families.get(whole)?.type;
  return type === "histogram" || (type === "summary" && !name.endsWith("_bucket")) ? whole : name;
}

function readSample(line: string): Sample | null {
  const match = SAMPLE.exec(line);
  if (match === null) return null;
  const [, name = "", inside = "", number = ""] = match;
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inside.length) {
    const label = LABEL.exec(inside);
    if (label === null || labels.has(label[1] ?? "")) return null;
    labels.set(label[1] ?? "", label[2] ?? "");
  }
  const value = readNumber(number);
  return value === null ? null : { name, labels, value };
}

/** As Go's ParseFloat reads it, in which the case of words is free: prom-client writes "Nan". */
function readNumber(text: string): number | null {
  if (/^nan$/i.test(text)) return Number.NaN;
  if (/^[+-]?inf$/i.test(text)) return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}

function familyProblems(family: Family): readonly string[] {
  const { name, type, help, samples } = family;
  const says: readonly (readonly [boolean, string])[] = [
    [help === null || help === "", "no help text"],
    [type === null || !TYPES.includes(type), `no type, or an unknown one: ${type}`],
    [!NAME.test(name), "a name may hold letters, digits and underscores"],
    [/[a-z][A-Z]/.test(name), "write names in snake_case, not in camelCase"],
    [type === "counter" && !name.endsWith("_total"), "a counter's name ends in _total"],
    [type !== "counter" && name.endsWith("_total"), "only a counter's name ends in _total"],
    [type !== "histogram" && name.endsWith("_bucket"), "only a histogram's part ends in _bucket"],
    [/_(sum|count)$/.test(name), "only a part of a histogram or summary ends in _sum or _count"],
    [/(^|_)(counter|gauge|histogram|summary)(_|$)/.test(name), "its type does not belong into its name"],
    [OTHER_UNITS.test(name), "measure in base units: seconds, bytes, ratios"],
    [type !== "histogram" && samples.some(({ labels }) => labels.has("le")), "only a histogram has the label le"],
    [
      type !== "summary" && samples.some(({ labels }) => labels.has("quantile")),
      "only a summary has the label quantile",
    ],
    [type === "counter" && samples.some(({ value }) => !(value >= 0)), "a counter is never below 0"],
    [type === "histogram" && !isHistogram(name, samples), "its buckets do not add up"],
  ];
  return says.flatMap(([wrong, text]) => (wrong ? [`${name}: ${text}`] : []));
}

/** For each set of labels: buckets rise to +Inf, which is the count, and there is a sum. */
function isHistogram(name: string, samples: readonly Sample[]): boolean {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = JSON.stringify([...sample.labels].filter(([label]) => label !== "le").sort());
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  return [...groups.values()].every((group) => {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => (labels.get("le") === "+Inf" ? Infinity : Number(labels.get("le"))));
    const rising = buckets.every(
      ({ value }, at) =>
        at === 0 || (value >= (buckets[at - 1]?.value ?? 0) && (bounds[at] ?? 0) > (bounds[at - 1] ?? 0)),
    );
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    const sum = group.some((sample) => sample.name === `${name}_sum`);
    return rising && sum && bounds.at(-1) === Infinity && buckets.at(-1)?.value === count;
  });
}

// The small languages: tables of what is written and what it means.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the syntax under test.
import { describe, expect, test } from "vitest";
import { parseEnvFile } from "./env-file.ts";
import { interpolate } from "./interpolate.ts";
import {
  parseBytes,
  parseDurationMs,
  parseFileMode,
  parseNanoCpus,
  splitCommand,
  splitPort,
  splitVolume,
} from "./values.ts";

const variables = { SET: "value", EMPTY: "", N: "5" };

describe("interpolation", () => {
  test.each([
    ["$SET", "value"],
    ["${SET}", "value"],
    ["a${SET}b$SET-c", "avaluebvalue-c"],
    ["${NONE:-d}", "d"],
    ["${EMPTY:-d}", "d"],
    ["${EMPTY-d}", ""],
    ["${NONE-d}", "d"],
    ["${SET:+r}", "r"],
    ["${EMPTY:+r}", ""],
    ["${EMPTY+r}", "r"],
    ["${NONE+r}", ""],
    ["${SET:?e}", "value"],
    ["${EMPTY?e}", ""],
    ["${NONE:-${OTHER:-deep $SET}}", "deep value"],
    ["${NONE:-a:b}", "a:b"],
    ["$$SET", "$SET"],
    ["$${SET}", "${SET}"],
    ["${NONE:-$$}", "$"],
    ['${NONE:-{"a":{"b":1}}}!', '{"a":{"b":1}}!'],
    ['${SET:-{"a":1}}', "value"],
    ["^re{2}$ ${SET}", "^re{2}$ value"],
    ["$5 and $", "$5 and $"],
    ["$__proto__x", ""],
    ["${constructor:-no}", "no"],
  ])("[C8] %s → %s", (text, filled) => {
    expect(interpolate(text, variables)).toMatchObject({ text: filled, faults: [] });
  });

  test.each(["${SET", "${", "${}", "${SET/a/b}", "${1}", "${SET:-${X}", "${A-".repeat(40)])(
    "[C8] %s is told",
    (text) => {
      const result = interpolate(text, variables);
      expect(result.text).toBe(text);
      expect(result.faults[0]?.kind).toBe("invalid");
    },
  );

  test("[C8] a required variable is told with its message, and every variable mentioned is listed", () => {
    const result = interpolate("${NONE:?say $SET}${EMPTY:?}${SET:-$X}", variables);
    expect(result.faults).toEqual([
      { kind: "required", name: "NONE", message: "say value" },
      { kind: "required", name: "EMPTY", message: "" },
    ]);
    expect(result.used).toEqual(["NONE", "SET", "EMPTY", "X"]);
    expect(interpolate("$NONE $SET", variables).unset).toEqual(["NONE"]);
  });
});

test("[C10] a variable file", () => {
  const text = [
    "# comment",
    "",
    "A=1",
    "export B=two words # comment",
    "C=a# no comment",
    "D='$A $SET'",
    'E="$A ${SET}\\n\\"q\\" # no"  # yes',
    "F=",
    "G",
    "H = spaced",
    "I='it\\'s'",
    'J="two',
    'lines"',
    "K=\\n$A",
    'L="\\$A"',
    "SET=file",
    "M=$SET",
    "N: colon",
  ].join("\n");
  const { entries, faults } = parseEnvFile(text, variables);
  expect(faults).toEqual([]);
  expect(Object.fromEntries(entries)).toEqual({
    A: "1",
    B: "two words",
    C: "a# no comment",
    D: "$A $SET",
    E: '1 value\n"q" # no',
    F: "",
    G: null,
    H: "spaced",
    I: "it's",
    J: "two\nlines",
    K: "\\n1",
    L: "$A",
    SET: "file",
    M: "value",
    N: "colon",
  });
});

test("[C10] what is wrong in a variable file is told by line, without values", () => {
  const { faults } = parseEnvFile('A=1\nnot a pair\nB=\'open\nC=${A\nD="x" y', {});
  expect(faults.map(({ line }) => line)).toEqual([2, 3, 4, 5]);
  expect(parseEnvFile('A="x" $B\n', {}, "raw").entries).toEqual([["A", '"x" $B']]);
});

test.each([
  ["1s", 1_000],
  ["1m30s", 90_000],
  ["1.5s", 1_500],
  ["500ms", 500],
  ["2h", 7_200_000],
  ["100us", 0],
  ["0", 0],
  ["10", null],
  ["", null],
  ["1s2", null],
  ["-1s", null],
  ["1 s", null],
])("[C13] duration %s → %s", (text, ms) => expect(parseDurationMs(text)).toBe(ms));

test.each([
  ["64m", 67_108_864],
  ["64MB", 67_108_864],
  ["64MiB", 67_108_864],
  ["1.5g", 1_610_612_736],
  ["1024", 1_024],
  ["10b", 10],
  ["1k", 1_024],
  ["", null],
  ["m", null],
  ["-1", null],
  ["64x", null],
])("[C13] size %s → %s", (text, bytes) => expect(parseBytes(text)).toBe(bytes));

test.each([
  ["a b  c", ["a", "b", "c"]],
  ["a 'b c' \"d e\"", ["a", "b c", "d e"]],
  ["sh -c 'echo \"x\"'", ["sh", "-c", 'echo "x"']],
  ["a\\ b", ["a b"]],
  ['"a\\"b\\n"', ['a"b\\n']],
  ["''", [""]],
  ["", []],
  ["'open", null],
  ["open\\", null],
])("[C13] command %s", (line, words) => expect(splitCommand(line)).toEqual(words));

test.each([
  ["80", { hostIp: "", published: null, target: "80", protocol: "tcp" }],
  ["127.0.0.1::80", { hostIp: "127.0.0.1", published: null, target: "80", protocol: "tcp" }],
  ["::1:6000:6000", { hostIp: "::1", published: "6000", target: "6000", protocol: "tcp" }],
  ["[::1]:6001:6001/udp", { hostIp: "::1", published: "6001", target: "6001", protocol: "udp" }],
])("[C13] port %s", (text, port) => expect(splitPort(text)).toEqual(port));

test.each([
  ["/data", { source: null, target: "/data", options: [] }],
  ["/data:ro", { source: null, target: "/data", options: ["ro"] }],
  ["v:/data:ro,nocopy", { source: "v", target: "/data", options: ["ro", "nocopy"] }],
])("[C13] volume %s", (text, volume) => expect(splitVolume(text)).toEqual(volume));

test("[C13] file modes are octal, CPUs are billionths", () => {
  expect(["0755", "755", "0o755", "1777", "9", "rwx"].map(parseFileMode)).toEqual([493, 493, 493, 1_023, null, null]);
  expect(["0.5", "2", "", "-1", "x"].map(parseNanoCpus)).toEqual([5e8, 2e9, null, null, null]);
});

// `$VAR`, `${VAR:-default}` and the rest, as the Compose Specification's page on interpolation has them. Pure.
// It must never put a variable's value into an error, nor look at anything but the variables given.
import { MAX_INTERPOLATION_DEPTH, MAX_VALUE_LENGTH } from "./limits.ts";

export type Operator = "-" | "?" | "+";

/** Literal text, or a variable with what to do when it is unset (or, with a colon, empty). */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "variable";
      readonly name: string;
      readonly operator: Operator | null;
      readonly colon: boolean;
      readonly operand: readonly Part[];
    };

export type InterpolationFault =
  | { readonly kind: "invalid"; readonly message: string }
  | { readonly kind: "required"; readonly name: string; readonly message: string }
  | { readonly kind: "too-long" };

export interface Interpolated {
  readonly text: string;
  /** Every variable mentioned, also in branches that were not taken. */
  readonly used: readonly string[];
  /** Mentioned without a default, and not set: empty text stands there. */
  readonly unset: readonly string[];
  readonly faults: readonly InterpolationFault[];
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /(:?)([-?+])/y;

/** Never throws. Faulty text stays as it was. */
export function interpolate(text: string, variables: Readonly<Record<string, string>>): Interpolated {
  if (!text.includes("$")) return { text, used: [], unset: [], faults: [] };
  const used = new Set<string>();
  const parsed = parseParts(text, 0, 0, used);
  if (typeof parsed === "string") {
    return { text, used: [...used], unset: [], faults: [{ kind: "invalid", message: parsed }] };
  }
  const unset = new Set<string>();
  const faults: InterpolationFault[] = [];
  const filled = fill(parsed.parts, { variables, unset, faults });
  if (filled.length > MAX_VALUE_LENGTH) faults.push({ kind: "too-long" });
  return { text: faults.length === 0 ? filled : text, used: [...used], unset: [...unset], faults };
}

interface Filling {
  readonly variables: Readonly<Record<string, string>>;
  readonly unset: Set<string>;
  readonly faults: InterpolationFault[];
}

function fill(parts: readonly Part[], filling: Filling): string {
  let text = "";
  for (const part of parts) {
    text += part.kind === "text" ? part.text : fillVariable(part, filling);
    // The caller reports it; here it only bounds the work.
    if (text.length > MAX_VALUE_LENGTH) return text;
  }
  return text;
}

function fillVariable(part: Extract<Part, { kind: "variable" }>, filling: Filling): string {
  const { name, operator, colon, operand } = part;
  const value = Object.hasOwn(filling.variables, name) ? filling.variables[name] : undefined;
  const isThere = value !== undefined && !(colon && value === "");
  switch (operator) {
    case null:
      if (value === undefined) filling.unset.add(name);
      return value ?? "";
    case "-":
      return isThere ? value : fill(operand, filling);
    case "+":
      return isThere ? fill(operand, filling) : "";
    case "?":
      if (isThere) return value;
      filling.faults.push({ kind: "required", name, message: fill(operand, filling) });
      return "";
  }
}

/** Parts up to the end, or up to the `}` that closes the operand; a string says what is wrong. */
function parseParts(
  text: string,
  from: number,
  depth: number,
  used: Set<string>,
): { parts: Part[]; end: number } | string {
  if (depth > MAX_INTERPOLATION_DEPTH) return `variables are nested deeper than ${MAX_INTERPOLATION_DEPTH} levels`;
  const parts: Part[] = [];
  let literal = "";
  let at = from;
  // Braces of the text's own, as in ${A:-{"b":1}}: the operand ends at the first one that closes nothing.
  let open = 0;
  while (at < text.length) {
    const char = text[at] ?? "";
    if (depth > 0 && char === "}" && open === 0) break;
    if (char !== "$") {
      if (char === "{") open += 1;
      else if (char === "}") open = Math.max(0, open - 1);
      literal += char;
      at += 1;
      continue;
    }
    if (text[at + 1] === "$") {
      literal += "$";
      at += 2;
      continue;
    }
    const variable = text[at + 1] === "{" ? parseBraced(text, at + 2, depth, used) : parseNamed(text, at + 1, used);
    if (typeof variable === "string") return variable;
    if (variable === null) {
      // "$5" and a "$" at the end are not variables; the Specification leaves them alone.
      literal += "$";
      at += 1;
      continue;
    }
    if (literal !== "") parts.push({ kind: "text", text: literal });
    literal = "";
    parts.push(variable.part);
    at = variable.end;
  }
  if (literal !== "") parts.push({ kind: "text", text: literal });
  return { parts, end: at };
}

function nameAt(text: string, at: number): string | null {
  NAME.lastIndex = at;
  return NAME.exec(text)?.[0] ?? null;
}

function parseNamed(text: string, at: number, used: Set<string>): { part: Part; end: number } | null {
  const name = nameAt(text, at);
  if (name === null) return null;
  used.add(name);
  return { part: { kind: "variable", name, operator: null, colon: false, operand: [] }, end: at + name.length };
}

function parseBraced(
  text: string,
  from: number,
  depth: number,
  used: Set<string>,
): { part: Part; end: number } | string {
  const name = nameAt(text, from);
  if (name === null) return `after "\${" there must be a variable's name`;
  used.add(name);
  let at = from + name.length;
  if (text[at] === "}") {
    return { part: { kind: "variable", name, operator: null, colon: false, operand: [] }, end: at + 1 };
  }
  OPERATOR.lastIndex = at;
  const found = OPERATOR.exec(text);
  if (found === null) {
    return text.includes("}", at)
      ? `after "\${${name}" only "}", ":-", "-", ":?", "?", ":+" or "+" can follow`
      : `"\${${name}" is not closed with "}"`;
  }
  at += found[0].length;
  const operand = parseParts(text, at, depth + 1, used);
  if (typeof operand === "string") return operand;
  if (text[operand.end] !== "}") return `"\${${name}" is not closed with "}"`;
  // The pattern admits these three and no others.
  const operator = found[2] as Operator;
  return {
    part: { kind: "variable", name, operator, colon: found[1] === ":", operand: operand.parts },
    end: operand.end + 1,
  };
}

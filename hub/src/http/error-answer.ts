// Turns whatever was thrown while answering into one of the catalogue's errors: our own, the framework's, the schema's, the store's.
// What is none of these is a bug: the caller gets an id, the log gets the rest.
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { StoreError } from "../store/store.ts";
import { type ErrorCode, HttpError } from "./errors.ts";
import type { ApiProblem } from "./schemas/common.ts";

/** Problems told at once; a body with more wrong fields is wrong as a whole. */
const MAX_PROBLEMS = 50;

/** `logBug` writes the error to the log and returns the id under which it stands there. */
export function errorAnswer(error: unknown, logBug: () => string): HttpError {
  if (error instanceof HttpError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return invalidRequest(error);
  if (error instanceof StoreError) return storeFailure(error, logBug);
  const framework = frameworkError(error);
  if (framework !== null) return framework;
  return new HttpError("internal", `The hub failed on this request (id ${logBug()}). It was not your request's fault.`);
}

interface SchemaError {
  readonly validationContext?: string | undefined;
  readonly validation: readonly {
    readonly instancePath: string;
    readonly message?: string | undefined;
    readonly keyword: string;
    readonly params?: unknown;
  }[];
}

function invalidRequest(error: SchemaError): HttpError {
  const where = error.validationContext ?? "request";
  const problems = error.validation.slice(0, MAX_PROBLEMS).flatMap((issue) => problemsOf(issue));
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  const place = first === undefined || first.path === "" ? where : `${where} field ${first.path}`;
  return new HttpError("invalid-request", `The ${place} is not valid: ${first?.message ?? "unknown"}${more}.`, {
    ...(first === undefined ? {} : { path: first.path }),
    problems,
  });
}

function problemsOf(issue: SchemaError["validation"][number]): ApiProblem[] {
  const path = issue.instancePath.split("/").filter(Boolean).join(".");
  const problem = { code: "invalid-field", hint: "", line: null, column: null };
  const keys = unknownKeys(issue.params);
  if (issue.keyword === "unrecognized_keys" && keys.length > 0) {
    return keys.map((key) => ({
      ...problem,
      path: [path, key].filter(Boolean).join(".").slice(0, 256),
      message: "there is no such field",
    }));
  }
  return [{ ...problem, path: path.slice(0, 256), message: issue.message ?? "is not valid" }];
}

function unknownKeys(params: unknown): string[] {
  if (typeof params !== "object" || params === null || !("keys" in params) || !Array.isArray(params.keys)) return [];
  return params.keys.filter((key) => typeof key === "string").slice(0, MAX_PROBLEMS);
}

function storeFailure(error: StoreError, logBug: () => string): HttpError {
  switch (error.kind) {
    case "full":
      return new HttpError("storage-full", "There is no space left on the hub's disk. Nothing was changed.");
    case "broken":
      return new HttpError("read-only", "The hub's store failed and takes no changes. Nothing was changed.");
    case "duplicate":
      // Handled where the key is: here it has slipped through.
      return new HttpError("internal", `The hub failed on this request (id ${logBug()}).`);
  }
}

const FRAMEWORK: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["body-too-large", "The body is larger than this address takes."],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ["unsupported-media-type", "The body's Content-Type is not application/json."],
  FST_ERR_CTP_INVALID_JSON_BODY: ["invalid-json", "The body is not JSON."],
  FST_ERR_CTP_EMPTY_JSON_BODY: ["invalid-json", "The body is empty."],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["invalid-request", "The body's length is not what Content-Length said."],
  FST_ERR_BAD_URL: ["invalid-request", "The address is not a valid URL."],
  FST_ERR_MAX_PARAM_LENGTH: ["invalid-request", "A part of the address is too long."],
  FST_REQ_FILE_INVALID_LENGTH: ["invalid-request", "The request is cut off."],
};

function frameworkError(error: unknown): HttpError | null {
  if (!(error instanceof Error)) return null;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const known = FRAMEWORK[code];
  if (known !== undefined) return new HttpError(known[0], known[1]);
  // secure-json-parse, for `__proto__` and `constructor.prototype` keys: a SyntaxError with a status and no code.
  const status = "statusCode" in error ? error.statusCode : null;
  if (error instanceof SyntaxError && status === 400) {
    return new HttpError("invalid-json", "The body is not JSON, or has a key such as __proto__ that is not allowed.");
  }
  return null;
}

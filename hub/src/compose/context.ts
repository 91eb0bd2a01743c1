// What the compilers of the single parts of a service share. It holds what is known of the file as a whole, and no results.
import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { Fields } from "./fields.ts";
import type { DeclaredValues, ValueSource } from "./files.ts";

export interface Context {
  readonly fields: Fields;
  readonly app: AppName;
  /** Top-level secrets and configs, and what is known of their versions. */
  readonly declared: DeclaredValues;
  readonly values: ValueSource;
  readonly files: Readonly<Record<string, string>>;
  readonly variables: Readonly<Record<string, string>>;
  /** Grows by the variables that env files and value-less entries of `environment` mention. */
  readonly used: Set<string>;
  /** Top-level networks and volumes by their key, `default` included. */
  readonly networks: ReadonlyMap<string, AppNetwork>;
  readonly volumes: ReadonlyMap<string, AppVolume>;
  /** Every service of the file, and those that the profiles switch on. */
  readonly allServices: ReadonlySet<string>;
  readonly activeServices: ReadonlySet<string>;
}

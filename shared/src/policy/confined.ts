// Confined: what an engine is asked for where a file is silent. Pure, and a function of the spec alone: a policy says yes or no and never
// changes a container, so it is in no spec hash. What a file asks for stays as it is written, and is for the validator to judge.
import type { ContainerSpec } from "../model/container.ts";
import { DEFAULT_PIDS_LIMIT, SILENT_CAPABILITIES } from "./profiles.ts";

export interface Confinement {
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly pidsLimit: number | null;
}

export type ConfinedFields = Pick<ContainerSpec, "privileged" | "capAdd" | "capDrop" | "securityOpt" | "pidsLimit">;

export function confined({ privileged, capAdd, capDrop, securityOpt, pidsLimit }: ConfinedFields): Confinement {
  // Whoever asks for everything gets it, or is refused it: half a privileged container serves nobody.
  if (privileged) return { capAdd, capDrop, securityOpt, pidsLimit };
  return {
    ...capabilities(capAdd.map(capability), capDrop.map(capability)),
    securityOpt: securityOpt.some((option) => optionName(option) === "no-new-privileges")
      ? securityOpt
      : [...securityOpt, "no-new-privileges"],
    pidsLimit: pidsLimit ?? DEFAULT_PIDS_LIMIT,
  };
}

function capabilities(add: readonly string[], drop: readonly string[]): Pick<Confinement, "capAdd" | "capDrop"> {
  if (add.includes("ALL")) return { capAdd: ["ALL"], capDrop: drop };
  const silent = drop.includes("ALL") ? [] : SILENT_CAPABILITIES.filter((name) => !drop.includes(name));
  return { capAdd: [...new Set([...silent, ...add])].sort(), capDrop: ["ALL"] };
}

/** As the kernel's manual, without its prefix, whichever way a file writes it. */
export const capability = (name: string): string => name.toUpperCase().replace(/^CAP_/, "");

/** An engine takes `=` and the older `:`. */
export const optionName = (option: string): string => option.split(/[=:]/, 1)[0] ?? "";
export const optionValue = (option: string): string | null => {
  const at = option.search(/[=:]/);
  return at < 0 ? null : option.slice(at + 1);
};

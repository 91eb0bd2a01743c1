// Every limit on a Compose file. A file may come from anybody who may call the API: each of these stops a small text from
// costing much memory or time. All are far above what people write (the largest public files have some 100 services).

/** 1 MiB of text: a hundred times the largest file we have met. */
export const MAX_TEXT_LENGTH = 1_048_576;
/** Words and marks of the YAML, some 10,000 lines: what parsing costs follows these, and the hub does nothing else meanwhile. */
export const MAX_LEXEMES = 60_000;
/** Levels of nesting. The deepest path that the Specification knows has 9. */
export const MAX_DEPTH = 32;
/** Nodes after aliases are followed: stops the "billion laughs". */
export const MAX_NODES = 100_000;
/** Services of one app. A node runs tens. */
export const MAX_SERVICES = 500;
/** Networks, or volumes, of one app. */
export const MAX_RESOURCES = 500;
/** Problems told at once: past this nobody reads on. */
export const MAX_PROBLEMS = 100;
/** `${A:-${B:-${C}}}`: people nest two levels. */
export const MAX_INTERPOLATION_DEPTH = 16;
/** One value after interpolation: as large as ContainerSpec's longest text. */
export const MAX_VALUE_LENGTH = 32_768;
/** All values after interpolation: one long variable used a thousand times must not fill the memory. */
export const MAX_INTERPOLATED_LENGTH = 4 * MAX_TEXT_LENGTH;
/** `a extends b extends c …`. */
export const MAX_EXTENDS = 16;
/** One file that `env_file` or `label_file` names. */
export const MAX_ENV_FILE_LENGTH = 262_144;
/** Ports that one range may name: as many as ContainerSpec holds. */
export const MAX_PORT_RANGE = 256;

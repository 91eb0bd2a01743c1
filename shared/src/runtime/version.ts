// The version of this program, as package.json of the repository says it; a test compares the two.
export const SKERRY_VERSION = "0.1.0";

// Paths of a machine, compared as text. Pure: links are resolved by the agent, which asks again with what they lead to.

/** Without doubled slashes and one at the end; null: it is not absolute, or has `.` or `..` or a control character in it. */
export function plainPath(path: string): string | null {
  if (!path.startsWith("/") || /\p{Cc}/u.test(path)) return null;
  const parts = path.split("/").filter((part) => part !== "");
  return parts.some((part) => part === "." || part === "..") ? null : `/${parts.join("/")}`;
}

/** `path` is `parent` or below it. Both plain. */
export const isAtOrBelow = (path: string, parent: string): boolean =>
  path === parent || path.startsWith(parent === "/" ? "/" : `${parent}/`);

/** Whether a mount of `path` would show something of `closed`: it is in there, or has it inside. */
export const touches = (path: string, closed: string): boolean =>
  isAtOrBelow(path, closed) || isAtOrBelow(closed, path);

/** Exactly, or with one `*` at the end of the pattern, which stands for anything but a slash. */
export function fits(pattern: string, value: string): boolean {
  if (!pattern.endsWith("*")) return pattern === value;
  const start = pattern.slice(0, -1);
  return value.startsWith(start) && !value.slice(start.length).includes("/");
}

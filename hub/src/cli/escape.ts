// Makes text from elsewhere safe for a terminal. Names, reasons and log lines come from hub, nodes and containers: none of them
// may move the cursor, change colours, or hide what stands on the screen.

/** C0 and C1 controls, DEL, and the characters that turn the direction of text around or break lines. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** One line of visible text: `\n` becomes the two characters "\n", an escape character "\x1b". */
export function visible(text: string): string {
  return text.replace(UNSAFE, escapeOne);
}

function escapeOne(char: string): string {
  if (char === "\n") return "\\n";
  if (char === "\r") return "\\r";
  if (char === "\t") return " ";
  const code = char.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** JSON that is as safe: JSON.stringify leaves C1 controls and direction marks as they are; they stand inside strings only. */
export function safeJson(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent).replace(UNSAFE, (char) =>
    // Between its strings, indented JSON has line breaks of its own.
    char === "\n" ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

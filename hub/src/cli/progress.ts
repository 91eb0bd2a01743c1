// Lines that are drawn anew while something goes on. Without a terminal only their head, each time that it changes.
import type { Io } from "./io.ts";

/** What was heard last must not be taken for how it is. */
export const HUB_AWAY = "The hub cannot be reached now; trying again. It said last:";

export interface Progress {
  show(lines: readonly string[]): void;
  end(text: string): void;
}

/** On a terminal the lines are drawn over; elsewhere each new line is said once. */
export function createProgress(io: Io): Progress {
  let drawn = 0;
  let said = "";
  const erase = (): string => (drawn === 0 ? "" : `\u001b[${drawn}A\u001b[J`);
  if (!io.outIsTerminal || io.columns === null) {
    return {
      show: (lines) => {
        const [head = ""] = lines;
        if (head !== said) io.out(`${head}\n`);
        said = head;
      },
      end: (text) => io.out(text),
    };
  }
  const width = io.columns;
  return {
    show: (lines) => {
      const text = lines.map((line) => clip(line, width)).join("\n");
      if (text === said) return;
      said = text;
      io.out(`${erase()}${text}\n`);
      drawn = lines.length;
    },
    end: (text) => {
      io.out(erase() + text);
      drawn = 0;
    },
  };
}

/** A line that wraps would spoil the drawing; colours take no room. */
function clip(line: string, width: number): string {
  let shown = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colours put in by render.ts
  return line.replace(/\u001b\[\d+m|./gsu, (piece) => (piece.startsWith("\u001b") || ++shown < width ? piece : ""));
}

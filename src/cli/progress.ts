const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;

/** One line on standard error that shows that something is under way, and goes away at the end. */
export interface ProgressLine extends Disposable {
  update(text: string): void;
}

/** Shows nothing where standard error is not a terminal. */
export function showProgress(text: string, stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  if (!stream.isTTY) return { update: () => undefined, [Symbol.dispose]: () => undefined };
  let shown = text;
  let frame = 0;
  const draw = (): void => {
    frame = (frame + 1) % FRAMES.length;
    stream.write(`\r\x1b[K${FRAMES[frame]} ${shown}`);
  };
  draw();
  const timer = setInterval(draw, FRAME_MS);
  timer.unref();
  return {
    update: (next) => {
      shown = next;
      draw();
    },
    [Symbol.dispose]: () => {
      clearInterval(timer);
      stream.write('\r\x1b[K');
    },
  };
}
